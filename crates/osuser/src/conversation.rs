//! What is answered when a PAM module asks something: the password, and nothing else.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use libpam_sys as sys;

/// Most bytes of a module's message that are kept.
const MAX_MESSAGE: usize = 500;

/// Lives at a fixed address for as long as the PAM handle that points to it.
pub(crate) struct Conversation {
    pub(crate) password: Option<CString>,
    /// What a module last told the person ("your password has expired").
    pub(crate) message: Option<String>,
}

/// The callback of `pam_conv` (pam_conv(3)). A question that is not for the password is refused.
pub(crate) unsafe extern "C" fn converse(
    count: c_int,
    messages: *const *const sys::pam_message,
    responses: *mut *mut sys::pam_response,
    conversation: *mut c_void,
) -> c_int {
    let Ok(count) = usize::try_from(count) else {
        return sys::PAM_CONV_ERR;
    };
    if count == 0
        || i32::try_from(count).is_ok_and(|count| count > sys::PAM_MAX_NUM_MSG)
        || messages.is_null()
        || responses.is_null()
        || conversation.is_null()
    {
        return sys::PAM_CONV_ERR;
    }
    // SAFETY: `Pam` gave libpam this pointer to a boxed `Conversation`, which it keeps until
    // after pam_end, and touches only through libpam while a call is running.
    let conversation = unsafe { &mut *conversation.cast::<Conversation>() };
    // SAFETY: calloc has no precondition; libpam frees what it gets with free.
    let answers = unsafe { libc::calloc(count, size_of::<sys::pam_response>()) };
    let answers = answers.cast::<sys::pam_response>();
    if answers.is_null() {
        return sys::PAM_BUF_ERR;
    }
    // SAFETY: calloc made room for `count` answers, for which all zeros is a valid value.
    let answers = unsafe { std::slice::from_raw_parts_mut(answers, count) };
    // SAFETY: libpam passes `count` pointers (Linux-PAM's meaning of the argument).
    let messages = unsafe { std::slice::from_raw_parts(messages, count) };
    for index in 0..count {
        // SAFETY: each of them is valid while this runs.
        let message = unsafe { &*messages[index] };
        let answered = match message.msg_style {
            sys::PAM_PROMPT_ECHO_OFF => conversation.password.as_deref().map(duplicate),
            sys::PAM_TEXT_INFO | sys::PAM_ERROR_MSG => {
                conversation.message = Some(read(message.msg));
                Some(std::ptr::null_mut())
            }
            _ => None,
        };
        let Some(answer) = answered else {
            free(answers);
            return sys::PAM_CONV_ERR;
        };
        answers[index].resp = answer;
    }
    // SAFETY: checked above not to be null; libpam waits for the answers there.
    unsafe { *responses = answers.as_mut_ptr() };
    sys::PAM_SUCCESS
}

/// The callback of `PAM_FAIL_DELAY`: the launcher keeps the time itself and no child sleeps.
pub(crate) unsafe extern "C" fn no_delay(_status: c_int, _micros: u32, _data: *mut c_void) {}

fn duplicate(text: &CStr) -> *mut c_char {
    // SAFETY: `text` ends with a zero; libpam frees the copy with free.
    unsafe { libc::strdup(text.as_ptr()) }
}

fn read(message: *const c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: a module's message ends with a zero.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_MESSAGE)
        .collect()
}

/// Frees answers that are not handed over, passwords overwritten.
fn free(answers: &mut [sys::pam_response]) {
    for answer in &*answers {
        if answer.resp.is_null() {
            continue;
        }
        // SAFETY: a string made by strdup above, which ends with a zero.
        let length = unsafe { libc::strlen(answer.resp) };
        // SAFETY: that many bytes belong to the string.
        unsafe { libc::explicit_bzero(answer.resp.cast(), length) };
        // SAFETY: made by strdup, and not used again.
        unsafe { libc::free(answer.resp.cast()) };
    }
    // SAFETY: made by calloc, and not used again.
    unsafe { libc::free(answers.as_mut_ptr().cast()) };
}
