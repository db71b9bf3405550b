//! Starting a desktop: everything that the front may not choose is chosen here.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Registry, Running};
use crate::agent::protocol::{LEVEL, Spec};
use crate::cgroup::Cgroups;
use crate::config::{Desktops, Limits};
use crate::launcher::owner::Owner;
use crate::launcher::pam_service::PamChoice;
use crate::launcher::place::{Place, RunId};
use crate::launcher::profiles::{Profile, SYSTEM_PATH};
use crate::launcher::session_child::{self, Order, Record, StartedBy};
use crate::model::{DesktopId, Geometry};

/// Display numbers that desktops get: the ones below are for screens that people sit at.
const DISPLAYS: std::ops::Range<u16> = 10..10_000;
/// X servers that speak RFB, the preferred one first.
pub(super) const X_SERVERS: [&str; 2] = ["Xtigervnc", "Xvnc"];

/// A desktop that is to be started.
pub(crate) struct Request<'a> {
    pub(crate) desktop: DesktopId,
    pub(crate) owner: Owner,
    pub(crate) profile: Profile,
    pub(crate) geometry: Option<Geometry>,
    pub(crate) config: &'a Desktops,
    pub(crate) limits: Limits,
    pub(crate) cgroups: &'a Cgroups,
    /// `None`: without PAM, as an ordinary user.
    pub(crate) pam: Option<PamChoice>,
    pub(crate) agent: Vec<String>,
    pub(crate) place: &'a Place,
    /// Seconds since 1970.
    pub(crate) unix: u64,
    pub(crate) by: StartedBy,
}

/// Why a desktop cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("this machine has no X server for desktops: install TigerVNC's (Xtigervnc)")]
    NoXServer,
    #[error("all display numbers are taken")]
    NoDisplay,
    #[error("the desktop's files or processes cannot be made: {0}")]
    Io(#[from] io::Error),
}

impl Registry {
    /// Forks the session child of a new desktop.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left behind then.
    pub(crate) fn start(&mut self, request: Request<'_>) -> Result<RunId, StartError> {
        let id = RunId::new()?;
        let run_dir = request.place.run_dir(&id);
        let order = self.order(&request, id.clone(), &run_dir)?;
        make_run_dir(&run_dir, &request.owner)?;
        let started = fork(&order).map(|(child, reports)| {
            let geometry = request.geometry;
            Running::started(&order.record, request.owner, geometry, child, reports)
        });
        match started {
            Ok(running) => {
                self.forget(&request.desktop);
                self.running.insert(id.clone(), running);
                Ok(id)
            }
            Err(error) => {
                session_child::remove_files(request.place, &id)?;
                Err(error.into())
            }
        }
    }

    fn order(&self, request: &Request<'_>, id: RunId, run_dir: &Path) -> Result<Order, StartError> {
        let config = request.config;
        let x_server = config.x_server.clone().or_else(find_x_server);
        let x_server = x_server.ok_or(StartError::NoXServer)?;
        let tmp = shared_tmp(config.private_tmp, deskway_osuser::is_root());
        let display = self.free_display(tmp).ok_or(StartError::NoDisplay)?;
        let spec = Spec {
            desktop: request.desktop.clone(),
            run_dir: run_dir.to_owned(),
            display,
            x_server,
            geometry: request.geometry.unwrap_or(config.geometry),
            depth: config.depth,
            dpi: config.dpi,
            x_args: config.x_args.clone(),
            session: request.profile.session.clone(),
            env: config.env.clone().into_iter().collect(),
            screen_timeout: seconds(config.screen_timeout),
            session_timeout: seconds(config.session_timeout),
        };
        Ok(Order {
            id,
            by: request.by,
            record: Record {
                desktop: request.desktop.clone(),
                profile: request.profile.id.clone(),
                os_name: request.owner.os.name.clone(),
                uid: request.owner.os.uid,
                display,
                since: request.unix,
                pid: 0,
                start: 0,
                disk_warning: request.limits.disk_warning,
                speaks: LEVEL,
                hours: request.limits.hours_per_day.map(|day| day.as_secs()),
                ready: None,
                frozen: None,
                killed: Some(0),
            },
            limits: request.limits.clone(),
            cgroups: request.cgroups.clone(),
            spec,
            owner: request.owner.os.clone(),
            pam: request.pam.clone(),
            private_tmp: config.private_tmp,
            agent: request.agent.clone(),
            place: request.place.clone(),
        })
    }

    /// One that no desktop of ours has and, where desktops share a `/tmp`, none of the machine's.
    fn free_display(&self, shared_tmp: Option<&Path>) -> Option<u16> {
        let taken = |number: u16| {
            self.running
                .values()
                .any(|running| running.display == number)
                || shared_tmp.is_some_and(|tmp| {
                    let files = [format!(".X11-unix/X{number}"), format!(".X{number}-lock")];
                    let exists = |file: &String| tmp.join(file).symlink_metadata().is_ok();
                    files.iter().any(exists)
                })
        };
        DISPLAYS.into_iter().find(|number| !taken(*number))
    }
}

/// The machine's `/tmp`, when desktops may see it. There anybody can make files with the names of
/// all displays, so it is not looked at without need. Root's desktops have a private one or do
/// not start; an ordinary user's do without where the machine does not allow it.
fn shared_tmp(private_tmp: bool, is_root: bool) -> Option<&'static Path> {
    (!(private_tmp && is_root)).then_some(Path::new("/tmp"))
}

fn fork(order: &Order) -> io::Result<(deskway_osuser::Child, std::os::fd::OwnedFd)> {
    let (here, there) = deskway_osuser::pair()?;
    let child =
        deskway_osuser::run_in_child(&[there.as_fd()], || session_child::run(order, &there))?;
    Ok((child, here))
}

/// 0700 and the owner's, in a directory where only root can make anything.
fn make_run_dir(run_dir: &Path, owner: &Owner) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(run_dir)?;
    std::os::unix::fs::lchown(run_dir, Some(owner.os.uid), Some(owner.os.gid))
}

fn find_x_server() -> Option<PathBuf> {
    let candidates = X_SERVERS.iter().flat_map(|name| {
        SYSTEM_PATH
            .split(':')
            .map(move |directory| Path::new(directory).join(name))
    });
    candidates.into_iter().find(|path| {
        std::fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

fn seconds(duration: std::time::Duration) -> u16 {
    u16::try_from(duration.as_secs()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_tmp_take_displays_only_where_desktops_see_them() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::create_dir(tmp.path().join(".X11-unix")).unwrap();
        for taken in [".X10-lock", ".X11-unix/X11"] {
            std::fs::write(tmp.path().join(taken), "").unwrap();
        }
        let registry = Registry::default();
        assert_eq!(registry.free_display(Some(tmp.path())), Some(12));
        assert_eq!(registry.free_display(None), Some(10));
        assert_eq!(shared_tmp(true, true), None);
        for (private_tmp, is_root) in [(false, true), (true, false)] {
            assert!(shared_tmp(private_tmp, is_root).is_some());
        }
    }
}
