//! The cases that ours passes and the original fails. `docs/compat.md` says of each what ours does
//! and why.

use super::{Known, Since};

pub(super) const KNOWN: &[Known] = &[
    Known {
        case: "of_two_subprotocols_as_browsers_write_them_binary_is_chosen",
        fails: Since::Always,
        theirs: "does not see `binary` behind a space, and answers 400",
    },
    Known {
        case: "subprotocols_in_two_headers_are_one_list",
        fails: Since::Always,
        theirs: "looks at the first header alone",
    },
    Known {
        case: "a_key_that_is_not_16_bytes_in_base64_is_refused",
        fails: Since::Always,
        theirs: "opens a WebSocket with any key, even an empty one",
    },
    Known {
        case: "two_keys_are_refused",
        fails: Since::Always,
        theirs: "takes the first key",
    },
    Known {
        case: "a_refused_version_is_told_the_right_one",
        fails: Since::Always,
        theirs: "answers 400 and does not say which version it speaks",
    },
    Known {
        case: "drafts_before_the_rfc_are_refused",
        fails: Since::Always,
        theirs: "speaks the drafts 7 and 8 too, as browsers of 2011 did",
    },
    Known {
        case: "http_1_0_opens_no_websocket",
        fails: Since::Always,
        theirs: "upgrades a request of HTTP/1.0",
    },
    Known {
        case: "a_request_without_host_opens_no_websocket",
        fails: Since::Always,
        theirs: "upgrades it",
    },
    Known {
        case: "a_request_with_two_hosts_opens_no_websocket",
        fails: Since::Always,
        theirs: "upgrades it",
    },
    Known {
        case: "a_request_with_a_body_opens_no_websocket",
        fails: Since::Always,
        theirs: "upgrades it, and takes the body for frames",
    },
    Known {
        case: "an_upgrade_that_connection_does_not_name_opens_no_websocket",
        fails: Since::Always,
        theirs: "upgrades it",
    },
    Known {
        case: "frames_in_one_packet_with_the_request_reach_the_target",
        fails: Since::Always,
        theirs: "loses what comes together with the request",
    },
    Known {
        case: "a_message_that_begins_with_an_empty_fragment_comes_whole",
        fails: Since::Always,
        theirs: "closes with 1002",
    },
    Known {
        case: "a_long_frame_is_passed_on_while_it_comes",
        fails: Since::Always,
        theirs: "keeps the whole frame in memory until its end has come",
    },
    Known {
        case: "endless_fragments_cost_no_memory",
        fails: Since::Always,
        theirs: "keeps the whole message in memory until its end has come",
    },
    Known {
        case: "a_target_that_reads_nothing_costs_no_memory",
        fails: Since::Always,
        theirs: "goes on reading from the client, and keeps what the target does not take",
    },
    Known {
        case: "reserved_bits_are_refused",
        fails: Since::Always,
        theirs: "ignores them",
    },
    Known {
        case: "pings_and_pongs_of_more_than_125_bytes_are_refused",
        fails: Since::Always,
        theirs: "takes them, and answers with a frame that no client may take",
    },
    Known {
        case: "lengths_that_are_longer_than_needed_are_refused",
        fails: Since::Always,
        theirs: "takes them",
    },
    Known {
        case: "a_length_of_2_to_the_63_is_refused",
        fails: Since::Always,
        theirs: "waits for that many bytes, and keeps them",
    },
    Known {
        case: "a_close_of_one_byte_is_refused",
        fails: Since::Always,
        theirs: "answers as if it had no code",
    },
    Known {
        case: "a_close_without_a_code_is_answered_without_one",
        fails: Since::Old,
        theirs: "answers with 1005, which must not be sent",
    },
    Known {
        case: "close_codes_that_nobody_may_send_are_refused",
        fails: Since::Always,
        theirs: "sends them back",
    },
    Known {
        case: "a_close_of_more_than_125_bytes_is_refused",
        fails: Since::Always,
        theirs: "takes it",
    },
    Known {
        case: "what_was_sent_before_the_close_reaches_the_target",
        fails: Since::Old,
        theirs: "drops what it has not passed on yet",
    },
    Known {
        case: "a_target_that_resets_ends_the_websocket_with_a_close_frame",
        fails: Since::Always,
        theirs: "ends the connection without a close frame",
    },
    Known {
        case: "ssl_target_refuses_a_target_that_nobody_vouches_for",
        fails: Since::Old,
        theirs: "takes any certificate",
    },
    Known {
        case: "it_listens_on_a_unix_socket_for_its_owner_alone",
        fails: Since::Old,
        theirs: "has no `--unix-listen`",
    },
    Known {
        case: "the_mode_of_the_unix_socket_is_the_one_asked_for",
        fails: Since::Old,
        theirs: "has no `--unix-listen-mode`",
    },
    Known {
        case: "a_unix_socket_that_a_dead_process_left_is_replaced",
        fails: Since::Old,
        theirs: "has no `--unix-listen`",
    },
    Known {
        case: "a_file_where_the_unix_socket_goes_is_left_alone",
        fails: Since::Always,
        theirs: "deletes it (0.10 has no `--unix-listen`)",
    },
    Known {
        case: "from_a_unix_socket_to_a_unix_socket",
        fails: Since::Old,
        theirs: "has no `--unix-listen`",
    },
    Known {
        case: "a_port_in_use_is_an_error_that_ends_it",
        fails: Since::New,
        theirs: "says so, and ends with status 0",
    },
    Known {
        case: "inetd_passes_a_connection",
        fails: Since::Always,
        theirs: "wants a listening socket and fails for ever on a connection",
    },
    Known {
        case: "after_a_crash_it_starts_again_at_once_on_the_same_port",
        fails: Since::Always,
        theirs: "keeps the port taken as long as one of its processes carries a session",
    },
    Known {
        case: "systemd_passes_a_listening_socket",
        fails: Since::Always,
        theirs: "knows nothing of `LISTEN_FDS`",
    },
    Known {
        case: "a_refused_token_is_told_with_a_status",
        fails: Since::Always,
        theirs: "ends the connection without an answer",
    },
    Known {
        case: "read_only_token_file_is_read_once",
        fails: Since::Always,
        theirs: "reads it for each connection: each has a process of its own, which reads anew",
    },
    Known {
        case: "token_file_name_reads_the_file_of_the_tokens_name",
        fails: Since::Old,
        theirs: "has no `TokenFileName`",
    },
    Known {
        case: "token_file_name_does_not_leave_its_directory",
        fails: Since::Old,
        theirs: "has no `TokenFileName`",
    },
    Known {
        case: "a_token_does_not_leave_the_socket_directory",
        fails: Since::Always,
        theirs: "looks only whether the path begins like the directory's, so `../desks-of-others/x` leaves `desks`",
    },
    Known {
        case: "exec_asks_a_program_of_ones_own",
        fails: Since::Always,
        theirs: "loads Python classes instead",
    },
    Known {
        case: "a_program_of_ones_own_may_name_a_unix_socket",
        fails: Since::Always,
        theirs: "has no `exec:`",
    },
    Known {
        case: "a_program_of_ones_own_that_fails_opens_nothing",
        fails: Since::Always,
        theirs: "has no `exec:`",
    },
    Known {
        case: "a_token_does_not_change_which_address_is_asked",
        fails: Since::Always,
        theirs: "puts the token into the address as it is, so `../` and `?` change what is asked",
    },
    Known {
        case: "redis_knows_the_targets_in_plain_text",
        fails: Since::Old,
        theirs: "understands JSON alone",
    },
    Known {
        case: "redis_is_asked_with_password_database_and_namespace",
        fails: Since::Old,
        theirs: "understands `host:port` alone",
    },
    Known {
        case: "a_name_and_password_that_are_not_base64_are_refused_with_a_status",
        fails: Since::Always,
        theirs: "ends the connection without an answer",
    },
    Known {
        case: "a_header_does_not_stand_for_a_certificate",
        fails: Since::Old,
        theirs: "believes a header `SSL_CLIENT_S_DN_CN` of the client",
    },
    Known {
        case: "a_strangers_link_out_of_the_folder_is_not_followed",
        fails: Since::Always,
        theirs: "follows it",
    },
    Known {
        case: "a_name_with_nul_is_refused",
        fails: Since::Always,
        theirs: "ends the connection without an answer",
    },
    Known {
        case: "a_part_of_a_file_can_be_asked_for",
        fails: Since::Always,
        theirs: "sends the whole file",
    },
    Known {
        case: "file_only_lists_no_directory",
        fails: Since::Old,
        theirs: "has no `--file-only`",
    },
    Known {
        case: "tls_1_1_is_not_spoken_and_asking_for_it_is_an_error",
        fails: Since::Always,
        theirs: "starts",
    },
    Known {
        case: "old_ciphers_are_not_spoken_and_asking_for_them_alone_is_an_error",
        fails: Since::Always,
        theirs: "starts",
    },
    Known {
        case: "wrap_mode_exit_ends_with_the_servers_status",
        fails: Since::Always,
        theirs: "ends with 0",
    },
    Known {
        case: "one_process_serves_all_connections",
        fails: Since::Always,
        theirs: "forks a process for each connection, 3.3 MB each",
    },
    Known {
        case: "sigterm_tells_the_clients_with_a_close_frame",
        fails: Since::Always,
        theirs: "ends the connections without a close frame",
    },
    Known {
        case: "without_heartbeat_a_quiet_client_is_pinged",
        fails: Since::Always,
        theirs: "sends no pings unless `--heartbeat` asks for them",
    },
    Known {
        case: "a_recording_is_its_owners_alone",
        fails: Since::Always,
        theirs: "makes it readable for everybody who can read the directory",
    },
    Known {
        case: "what_clients_send_does_not_steer_the_terminal",
        fails: Since::Always,
        theirs: "logs tokens as they come, with control characters and new lines",
    },
    Known {
        case: "the_log_tells_of_a_session_how_long_and_how_much",
        fails: Since::Always,
        theirs: "says when a connection begins",
    },
    Known {
        case: "the_time_of_a_session_counts_from_its_beginning",
        fails: Since::Always,
        theirs: "does not say how long a session was",
    },
    Known {
        case: "a_bad_line_of_a_token_file_is_told_of_once",
        fails: Since::Always,
        theirs: "says it at each connection",
    },
    Known {
        case: "a_syslog_server_that_is_not_there_is_told_of_and_waited_for",
        fails: Since::Always,
        theirs: "ends with a Python traceback",
    },
    Known {
        case: "a_request_that_fails_is_in_the_log_without_its_query",
        fails: Since::Always,
        theirs: "logs the query, in which tokens may be",
    },
    Known {
        case: "who_is_refused_before_a_request_is_in_the_log_and_why",
        fails: Since::Always,
        theirs: "says of some only, and in OpenSSL's words",
    },
    Known {
        case: "a_low_limit_of_open_files_and_its_end_are_in_the_log",
        fails: Since::Always,
        theirs: "says nothing of the limit",
    },
    Known {
        case: "all_errors_have_one_form",
        fails: Since::Always,
        theirs: "shows a Python traceback for some",
    },
    Known {
        case: "behind_a_trusted_proxy_the_log_names_the_client",
        fails: Since::Always,
        theirs: "names the proxy's address",
    },
    Known {
        case: "libserver_is_taken",
        fails: Since::New,
        theirs: "fails at the first connection with `--libserver`",
    },
    Known {
        case: "help_names_every_option",
        fails: Since::Old,
        theirs: "lacks the options that came after it",
    },
    Known {
        case: "a_mode_that_is_not_octal_is_wrong_usage",
        fails: Since::Old,
        theirs: "has no `--unix-listen-mode`",
    },
    Known {
        case: "a_plugin_that_does_not_exist_is_wrong_usage_and_named",
        fails: Since::Always,
        theirs: "shows a Python traceback",
    },
    Known {
        case: "a_python_class_of_ones_own_is_refused_with_what_to_use_instead",
        fails: Since::Always,
        theirs: "loads it",
    },
    Known {
        case: "no_parent_is_taken",
        fails: Since::Always,
        theirs: "has no `--no-parent`",
    },
    Known {
        case: "the_source_of_tokens_is_of_the_directory_it_was_started_in",
        fails: Since::Always,
        theirs: "looks for it in `/` with `-D`, and in the web folder with `--web`",
    },
];
