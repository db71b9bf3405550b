//! PAM: is this the person's password, may the account be used, and the session around a
//! desktop. Linux-PAM's own interface (pam(3)); modules are foreign code and may hang or crash,
//! so that a [`Pam`] is made in a forked child only.

use std::ffi::{CStr, CString, NulError, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use libpam_sys as sys;

use crate::conversation::{Conversation, converse, no_delay};

/// Most variables that are taken from PAM.
const MAX_ENV: usize = 1024;

/// What PAM is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PamSetting<'a> {
    /// The service: the name of a file in `/etc/pam.d`, or in `directory`.
    pub service: &'a str,
    pub directory: Option<&'a Path>,
    /// `PAM_TTY`: what logs show as the terminal.
    pub terminal: &'a str,
    /// `PAM_RHOST`: where the person is.
    pub remote_host: Option<&'a str>,
}

/// Why PAM said no.
#[derive(Debug, thiserror::Error)]
pub enum PamError {
    /// Name or password.
    #[error("the name or the password is wrong")]
    WrongPassword,
    /// The password is right, but the account is not to be used now.
    #[error("{0}")]
    NotAllowed(String),
    /// PAM itself or one of its modules does not work.
    #[error("PAM: {0}")]
    Broken(String),
    #[error("a zero byte in a name or password")]
    ZeroByte(#[from] NulError),
}

/// One transaction with PAM; ended when dropped.
pub struct Pam {
    handle: NonNull<sys::pam_handle>,
    last: c_int,
    /// libpam holds a pointer to it.
    conversation: NonNull<Conversation>,
}

impl Pam {
    /// Begins a transaction for `user`. `password` answers the modules' password prompts.
    ///
    /// # Errors
    /// [`PamError::Broken`] when the service cannot be read.
    pub fn start(
        setting: &PamSetting<'_>,
        user: &str,
        password: Option<&str>,
    ) -> Result<Self, PamError> {
        let service = CString::new(setting.service)?;
        let user = CString::new(user)?;
        let password = password.map(CString::new).transpose()?;
        let directory = setting.directory.map(path_text).transpose()?;
        let conversation = NonNull::from(Box::leak(Box::new(Conversation {
            password,
            message: None,
        })));
        // libpam copies this struct.
        let mut callback = sys::pam_conv {
            conv: converse,
            appdata_ptr: conversation.as_ptr().cast(),
        };
        let mut handle = std::ptr::null_mut();
        let status = match &directory {
            // SAFETY: all strings end with a zero and outlive the call; `callback`'s pointer is
            // freed only after pam_end.
            Some(directory) => unsafe {
                sys::pam_start_confdir(
                    service.as_ptr(),
                    user.as_ptr(),
                    &raw mut callback,
                    directory.as_ptr(),
                    &raw mut handle,
                )
            },
            // SAFETY: as above.
            None => unsafe {
                sys::pam_start(
                    service.as_ptr(),
                    user.as_ptr(),
                    &raw mut callback,
                    &raw mut handle,
                )
            },
        };
        let Some(handle) = NonNull::new(handle).filter(|_| status == sys::PAM_SUCCESS) else {
            // SAFETY: made by Box::leak above; libpam did not keep it.
            drop(unsafe { Box::from_raw(conversation.as_ptr()) });
            return Err(PamError::Broken(format!(
                "the service `{}` cannot be started (error {status})",
                setting.service
            )));
        };
        let mut pam = Self {
            handle,
            last: sys::PAM_SUCCESS,
            conversation,
        };
        pam.set_text(sys::PAM_TTY, setting.terminal)?;
        if let Some(host) = setting.remote_host {
            pam.set_text(sys::PAM_RHOST, host)?;
        }
        let no_delay: unsafe extern "C" fn(c_int, u32, *mut c_void) = no_delay;
        // SAFETY: PAM_FAIL_DELAY takes a function pointer as the item itself (pam_set_item(3)).
        let status = unsafe {
            sys::pam_set_item(
                pam.handle.as_ptr(),
                sys::PAM_FAIL_DELAY,
                no_delay as *const c_void,
            )
        };
        pam.check(status)?;
        Ok(pam)
    }

    /// Is it the person's password, and may the account be used now?
    ///
    /// # Errors
    /// [`PamError::WrongPassword`] for an unknown name too; [`PamError::NotAllowed`] only after
    /// the right password.
    pub fn authenticate(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is valid until `drop`.
        let status =
            unsafe { sys::pam_authenticate(self.handle.as_ptr(), sys::PAM_DISALLOW_NULL_AUTHTOK) };
        self.last = status;
        match status {
            sys::PAM_SUCCESS => {}
            sys::PAM_AUTH_ERR
            | sys::PAM_USER_UNKNOWN
            | sys::PAM_MAXTRIES
            | sys::PAM_CRED_INSUFFICIENT
            | sys::PAM_PERM_DENIED => return Err(PamError::WrongPassword),
            status => return Err(PamError::Broken(self.words(status))),
        }
        self.check_account()
    }

    /// May the account be used now? Nobody is asked for a password.
    ///
    /// # Errors
    /// [`PamError::NotAllowed`].
    pub fn check_account(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is valid until `drop`.
        let status = unsafe { sys::pam_acct_mgmt(self.handle.as_ptr(), 0) };
        self.last = status;
        match status {
            sys::PAM_SUCCESS => Ok(()),
            sys::PAM_NEW_AUTHTOK_REQD => Err(PamError::NotAllowed(
                "the password has run out and must be changed first".to_owned(),
            )),
            status => Err(PamError::NotAllowed(self.words(status))),
        }
    }

    /// The account's name as the modules left it, which may be another than was typed.
    pub fn user(&self) -> Option<String> {
        let mut item = std::ptr::null();
        // SAFETY: the handle is valid, and `item` is where the answer goes.
        let status =
            unsafe { sys::pam_get_item(self.handle.as_ptr(), sys::PAM_USER, &raw mut item) };
        if status != sys::PAM_SUCCESS || item.is_null() {
            return None;
        }
        // SAFETY: PAM_USER is a string that ends with a zero, owned by the handle.
        let name = unsafe { CStr::from_ptr(item.cast()) };
        name.to_str().ok().map(str::to_owned)
    }

    /// Credentials and session: limits, groups, keyrings and mounts of this process from now on.
    ///
    /// # Errors
    /// When a module refuses; nothing is left open then.
    pub fn open_session(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is valid until `drop`.
        let status = unsafe { sys::pam_setcred(self.handle.as_ptr(), sys::PAM_ESTABLISH_CRED) };
        self.check(status)?;
        // SAFETY: as above.
        let status = unsafe { sys::pam_open_session(self.handle.as_ptr(), 0) };
        if let Err(error) = self.check(status) {
            self.delete_credentials();
            return Err(error);
        }
        Ok(())
    }

    /// Tells the modules a variable, and has it in the environment that they make.
    ///
    /// # Errors
    /// [`PamError::Broken`] when libpam does not take it.
    pub fn set_variable(&mut self, name: &str, value: &str) -> Result<(), PamError> {
        let variable = CString::new(format!("{name}={value}"))?;
        // SAFETY: the handle is valid until `drop`, and libpam copies the string.
        let status = unsafe { sys::pam_putenv(self.handle.as_ptr(), variable.as_ptr()) };
        self.check(status)
    }

    /// The environment that the modules made.
    pub fn environment(&self) -> Vec<(String, String)> {
        // SAFETY: the handle is valid until `drop`.
        let list = unsafe { sys::pam_getenvlist(self.handle.as_ptr()) };
        let mut variables = Vec::new();
        if list.is_null() {
            return variables;
        }
        for index in 0.. {
            // SAFETY: the list ends with a null pointer, where this loop ends too.
            let place = unsafe { list.add(index) };
            // SAFETY: as above.
            let entry = unsafe { *place };
            if entry.is_null() {
                break;
            }
            // SAFETY: each entry ends with a zero.
            let text = unsafe { CStr::from_ptr(entry) }.to_string_lossy();
            if let Some((name, value)) = text.split_once('=')
                && variables.len() < MAX_ENV
            {
                variables.push((name.to_owned(), value.to_owned()));
            }
            // SAFETY: the caller owns each entry, and it is not used again.
            unsafe { libc::free(entry.cast()) };
        }
        // SAFETY: the caller owns the list, and it is not used again.
        unsafe { libc::free(list.cast()) };
        variables
    }

    /// Ends what [`Pam::open_session`] began.
    ///
    /// # Errors
    /// When a module says so; the session is over all the same.
    pub fn close_session(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is valid until `drop`.
        let status = unsafe { sys::pam_close_session(self.handle.as_ptr(), 0) };
        self.delete_credentials();
        self.check(status)
    }

    fn delete_credentials(&mut self) {
        // SAFETY: the handle is valid until `drop`.
        self.last = unsafe { sys::pam_setcred(self.handle.as_ptr(), sys::PAM_DELETE_CRED) };
    }

    fn set_text(&mut self, item: c_int, text: &str) -> Result<(), PamError> {
        let text = CString::new(text)?;
        // SAFETY: libpam copies string items (pam_set_item(3)).
        let status = unsafe { sys::pam_set_item(self.handle.as_ptr(), item, text.as_ptr().cast()) };
        self.check(status)
    }

    fn check(&mut self, status: c_int) -> Result<(), PamError> {
        self.last = status;
        if status == sys::PAM_SUCCESS {
            Ok(())
        } else {
            Err(PamError::Broken(self.words(status)))
        }
    }

    /// What went wrong, with what a module told the person.
    fn words(&self, status: c_int) -> String {
        // SAFETY: Linux-PAM returns a constant string for every number.
        let text: *const c_char = unsafe { sys::pam_strerror(self.handle.as_ptr(), status) };
        let text = if text.is_null() {
            format!("error {status}")
        } else {
            // SAFETY: as above; it ends with a zero.
            unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned()
        };
        // SAFETY: no call of libpam is running, so that nobody else uses it.
        match unsafe { &self.conversation.as_ref().message } {
            Some(message) if !message.is_empty() => format!("{text} ({message})"),
            _ => text,
        }
    }
}

impl Drop for Pam {
    fn drop(&mut self) {
        // SAFETY: the handle is valid, and not used again.
        unsafe { sys::pam_end(self.handle.as_ptr(), self.last) };
        // SAFETY: made by Box::leak in `start`; libpam has forgotten it.
        let mut conversation = unsafe { Box::from_raw(self.conversation.as_ptr()) };
        if let Some(password) = conversation.password.take() {
            let mut bytes = password.into_bytes();
            // SAFETY: the pointer and length are those of a vector that is alive.
            unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) };
        }
    }
}

fn path_text(path: &Path) -> Result<CString, NulError> {
    CString::new(OsStr::as_bytes(path.as_os_str()))
}
