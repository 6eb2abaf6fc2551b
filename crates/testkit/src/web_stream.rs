//! The client's side of WebSocket, blocking, over any stream.

use std::io::{self, Read, Write};

/// An open WebSocket as a stream of bytes: what is written at once is one binary frame, and what is read is the payload of
/// the server's binary frames. [`frame`] and [`inner`](Self::inner) are for what no good client does.
#[derive(Debug)]
pub struct WebStream<S> {
    inner: S,
    /// Bytes of a binary frame that are not read yet.
    left: usize,
    /// Payloads of pongs.
    pongs: Vec<Vec<u8>>,
    /// The code of the server's close frame, or 1005 for one without.
    closed: Option<u16>,
}

/// First bytes of frames that are whole messages.
pub const TEXT: u8 = 0x81;
/// A binary frame.
pub const BINARY: u8 = 0x82;
/// A close frame.
pub const CLOSE: u8 = 0x88;
/// A ping.
pub const PING: u8 = 0x89;

/// Code for a close frame that has none (section 7.4.1).
pub const NO_CODE: u16 = 1005;

/// A request that opens a WebSocket at `path`, with more header lines if wanted, each with its line end.
#[must_use]
pub fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: darter.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{more}\r\n"
    )
}

/// A frame with this first byte, masked.
#[must_use]
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Reads an HTTP answer up to the end of its head.
///
/// # Errors
/// When the stream ends or breaks first.
pub fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

impl<S: Read + Write> WebStream<S> {
    /// Opens a WebSocket at the path `/mqtt`.
    ///
    /// # Errors
    /// When the server answers something else, or the stream breaks.
    pub fn open(mut inner: S) -> io::Result<Self> {
        inner.write_all(request("/mqtt", "").as_bytes())?;
        let head = read_head(&mut inner)?;
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains("Sec-WebSocket-Protocol: mqtt\r\n") {
            return Err(io::Error::other(head));
        }
        Ok(Self { inner, left: 0, pongs: Vec::new(), closed: None })
    }

    /// What the WebSocket goes over.
    pub fn inner(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Waits for the server's close frame and the end of the connection. Gives the code.
    ///
    /// # Errors
    /// When the connection ends without one, or something follows it.
    pub fn close_code(&mut self) -> io::Result<u16> {
        io::copy(self, &mut io::sink())?;
        let code = self.closed.ok_or_else(|| io::Error::other("ended without a close frame"))?;
        match io::copy(&mut self.inner, &mut io::sink())? {
            0 => Ok(code),
            more => Err(io::Error::other(format!("{more} bytes after the close frame"))),
        }
    }

    /// Payloads of pongs that have come since the last call.
    pub fn take_pongs(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.pongs)
    }

    /// Reads the header of a frame, and the whole frame unless it is a binary one.
    fn next_frame(&mut self) -> io::Result<()> {
        let mut start = [0; 2];
        self.inner.read_exact(&mut start)?;
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.inner.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.inner.read_exact(&mut length)?;
                usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?
            }
            length => usize::from(length),
        };
        if start[0] == BINARY {
            self.left = length;
            return Ok(());
        }
        let mut payload = vec![0; length];
        self.inner.read_exact(&mut payload)?;
        match start[0] {
            CLOSE => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                self.closed = Some(code.unwrap_or(NO_CODE));
            }
            0x8A => self.pongs.push(payload),
            other => return Err(io::Error::other(format!("a frame that begins with {other:#x}"))),
        }
        Ok(())
    }
}

impl<S: Read + Write> Read for WebStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if self.closed.is_some() {
                return Ok(0);
            }
            self.next_frame()?;
        }
        let most = self.left.min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.left -= count;
        Ok(count)
    }
}

impl<S: Read + Write> Write for WebStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(&frame(BINARY, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
