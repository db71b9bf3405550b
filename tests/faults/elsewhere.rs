//! Faults whose tests all stand elsewhere.
//!
//! F4: All of Deskway is killed, or upgraded
//! Happens: Desktops do not hang below it. What starts next finds them again; an upgrade refuses
//! nobody meanwhile.
//! Seen: "The server is restarting.", then the desktop, the same windows in it.
//! Lost: Nothing.
//! Kept: Desktops, sign-ins.
//! Tests: tests/e2e/restarts.spec.mjs killing all of it and starting anew leaves both desktops;
//! tests/e2e/restarts.spec.mjs an upgrade in place leaves the desktop;
//! tests/root/upgrade.rs a_new_program_takes_over_while_people_come_and_desktops_stay;
//! tests/root/upgrade.rs a_program_that_cannot_take_over_leaves_the_old_one_serving
//!
//! F8: A browser stops reading
//! Happens: The desktop is read no faster than the browser takes it; a bounded amount waits.
//! Seen: The picture stands still in that window.
//! Lost: Nothing.
//! Kept: Other windows on the same desktop; everybody else.
//! Tests: tests/it/bridge/limits.rs a_browser_that_does_not_read_stops_the_reading_from_the_desktop;
//! tests/it/bridge/passing.rs what_many_slow_browsers_left_waiting_arrives_unchanged;
//! tests/memory.rs a_browser_that_does_not_read_costs_a_bounded_amount
//!
//! F9: A desktop is hostile: silent, endless, or full of huge lengths
//! Happens: It has ten seconds for its first word. Nothing is kept because it announces a length, and
//! what it says reaches the people who may see it, and no further.
//! Seen: "Your desktop does not answer.", or what its server does wrong.
//! Lost: That connection.
//! Kept: Everything else.
//! Tests: tests/it/bridge/stops.rs a_desktop_that_never_speaks_is_told_as_that_after_ten_seconds;
//! tests/root/attached_web_socket.rs servers_that_do_not_behave_are_named_in_plain_words;
//! tests/root/attached_web_socket.rs a_server_that_floods_waits_for_its_viewer;
//! tests/memory.rs a_frame_that_announces_exabytes_is_not_waited_for_in_memory
//!
//! F10: The network goes away and says nothing
//! Happens: A browser that answers no ping for a minute is given up; its place is free.
//! Seen: "Your connection dropped." within seconds of the next key, and the desktop again when the
//! network is back. Lists say within a minute that they may be old.
//! Lost: Nothing.
//! Kept: The desktop and all in it.
//! Tests: tests/it/bridge/stops.rs a_silent_browser_is_pinged_and_dropped_within_60_seconds;
//! tests/it/bridge/stops.rs half_a_frame_and_then_silence_is_dropped_within_60_seconds;
//! tests/it/bridge/stops.rs a_browser_that_is_gone_without_a_word_lets_the_desktop_go;
//! web/src/viewer/watchdog.test.ts a network that goes away without a word is told after the next
//! key, and the page connects again;
//! web/src/lib/events.test.ts a line that says nothing any more is told as that, and another one is
//! opened
//!
//! F11: Both directions are full
//! Happens: Each goes on by itself; neither waits for the other.
//! Seen: Nothing.
//! Lost: Nothing.
//! Kept: Every byte, in order.
//! Tests: tests/it/bridge/limits.rs nothing_is_lost_or_changed_in_64_mebibytes_each_way;
//! tests/it/bridge/stops.rs a_desktop_that_does_not_read_does_not_cost_the_browser_its_connection
//!
//! F13: A certificate is renewed, missing, expired or does not fit its key
//! Happens: New connections get the new one within seconds. A bad pair is named in the log and the
//! old one stays.
//! Seen: Nothing.
//! Lost: Nothing.
//! Kept: Open connections.
//! Tests: tests/e2e/tls.spec.mjs certificates by name, and new ones while people are connected;
//! src/launcher/certificates.rs a_new_pair_is_told_once_and_a_bad_one_never;
//! src/listen/certificates.rs a_pair_that_cannot_be_read_any_more_stays_and_one_that_is_not_named_goes;
//! src/listen/certificates.rs one_that_has_run_out_gives_way_to_one_that_is_good_then_to_one_that_ends_later
//!
//! F14: The configuration is read again under load, or is broken
//! Happens: Nobody is refused. A broken one is named in the log and the old one stays.
//! Seen: Nothing.
//! Lost: Nothing; who may not sign in any more is signed out.
//! Kept: Connections and desktops.
//! Tests: tests/root/upgrade.rs a_configuration_that_is_read_again_and_again_fails_nobody;
//! tests/root/restart.rs a_sound_configuration_is_taken_over_and_a_wrong_one_is_not;
//! tests/e2e/tls.spec.mjs SIGHUP reads the configuration again and drops nobody
