//! Who is this, and did they mean it? Makes values and never a response.

mod identity;
mod origin;
mod session;

pub use identity::{Found, Identity, SignIns};
pub use origin::{BadHost, BadOrigin, Host, Hosts, check_origin};
pub use session::{clear_cookie, cookie_name, handle_from_cookies, handle_hash, set_cookie};
