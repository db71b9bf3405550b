//! A VNC server that says what it is told and shows what reaches it.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// A VNC server with a screen of 640x480 and security type None, over any stream.
pub(crate) struct FakeVnc<S> {
    pub(crate) stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FakeVnc<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream }
    }

    /// The whole handshake of RFB 3.8; returns ClientInit's byte.
    pub(crate) async fn shake_hands(&mut self) -> io::Result<u8> {
        self.offer_none().await?;
        self.init().await
    }

    /// Version and security of RFB 3.8.
    pub(crate) async fn offer_none(&mut self) -> io::Result<()> {
        self.stream.write_all(b"RFB 003.008\n").await?;
        assert_eq!(&self.read(12).await?, b"RFB 003.008\n");
        self.stream.write_all(&[1, 1]).await?;
        assert_eq!(self.read(1).await?, [1]);
        self.stream.write_all(&[0; 4]).await
    }

    /// ClientInit, whose byte it returns, and ServerInit.
    pub(crate) async fn init(&mut self) -> io::Result<u8> {
        let shared = self.stream.read_u8().await?;
        self.stream.write_all(&Self::server_init()).await?;
        Ok(shared)
    }

    /// What [`FakeVnc::init`] sends: 640x480, 32 bits, named `fake`.
    pub(crate) fn server_init() -> Vec<u8> {
        let mut init = vec![2, 128, 1, 224];
        init.extend([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
        init.extend([0, 0, 0, 4]);
        init.extend(b"fake");
        init
    }

    /// The next `len` bytes.
    pub(crate) async fn read(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// What one read of up to 64 KiB brings; empty at the end.
    pub(crate) async fn read_once(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 64 * 1024];
        let len = self.stream.read(&mut bytes).await?;
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Whether the connection has ended and nothing is left to read.
    pub(crate) async fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.read_once().await?.is_empty())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }
}

/// A unix socket at which [`FakeVnc`]s can be reached.
pub(crate) struct VncListener {
    listener: UnixListener,
    path: PathBuf,
    _dir: TempDir,
}

impl VncListener {
    pub(crate) fn new() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("vnc.sock");
        Ok(Self {
            listener: UnixListener::bind(&path)?,
            path,
            _dir: dir,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn accept(&self) -> io::Result<FakeVnc<UnixStream>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(FakeVnc::over(stream))
    }
}
