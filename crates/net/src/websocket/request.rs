//! The head of an HTTP request (RFC 9112), read strictly: what two programs could read in two ways is refused.

use super::refusal::Refusal;

/// The longest head, in bytes.
pub(super) const LONGEST_HEAD: usize = 8 * 1024;
/// Header lines that a request may have.
pub(super) const MOST_HEADERS: usize = 100;

/// The head of a request, while it arrives.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes bytes up to the end of the head. Gives how many of them were taken, and whether the head is whole.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        const END: &[u8] = b"\r\n\r\n";
        let kept = self.bytes.len();
        let taken = bytes.len().min(LONGEST_HEAD - kept);
        self.bytes.extend_from_slice(&bytes[..taken]);
        // Every method is in capitals. Whatever else comes is not worth waiting for.
        if let Some(first) = self.bytes.first().filter(|first| !first.is_ascii_uppercase()) {
            return Err(Refusal::not_http(*first));
        }
        let from = kept.saturating_sub(END.len() - 1);
        if let Some(at) = self.bytes[from..].windows(END.len()).position(|four| four == END) {
            let end = from + at + END.len();
            self.bytes.truncate(end);
            return Ok((end - kept, true));
        }
        if self.bytes.len() == LONGEST_HEAD { Err(Refusal::TooLarge) } else { Ok((taken, false)) }
    }

    pub(super) fn request(&self) -> Result<Request<'_>, Refusal> {
        Request::read(&self.bytes)
    }
}

/// A request's first line and headers.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// The path, without what stands behind `?`.
    pub(super) path: &'a str,
    /// How the client calls the server: host and port.
    pub(super) host: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Request<'a> {
    /// Reads a head that ends with an empty line.
    fn read(head: &'a [u8]) -> Result<Self, Refusal> {
        let lines = head.strip_suffix(b"\n\r\n").unwrap_or(head);
        let mut lines = lines.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r"));
        let first = lines.next().flatten().ok_or(Refusal::Line)?;
        let mut headers = Vec::new();
        for (count, line) in lines.enumerate() {
            if count == MOST_HEADERS {
                return Err(Refusal::TooLarge);
            }
            headers.extend(header(line.ok_or(Refusal::Header)?)?);
        }
        let (method, target) = first_line(first)?;
        let (named, path) = split_target(target)?;
        let mut request = Self { method, path, host: "", headers };
        // A host in the first line goes before that of the header, which must be there all the same.
        let host = request.only("host")?.ok_or(Refusal::Host)?;
        request.host = named.unwrap_or(host);
        Ok(request)
    }

    /// The values of a header, in their order. `name` is in lower case.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The items of a header that is a list, over all its lines.
    pub(super) fn items(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
    }

    /// The value of a header that stands there once at most.
    pub(super) fn only(&self, name: &'static str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.values(name);
        let value = values.next();
        if values.next().is_some() { Err(Refusal::Twice(name)) } else { Ok(value) }
    }
}

/// Method and target of a request line.
fn first_line(line: &[u8]) -> Result<(&str, &str), Refusal> {
    let line = str::from_utf8(line).map_err(|_| Refusal::Line)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::Line);
    };
    let is_clean = method.bytes().all(is_token) && target.bytes().all(|byte| byte.is_ascii_graphic());
    match version {
        "HTTP/1.1" if is_clean => Ok((method, target)),
        "HTTP/1.0" if is_clean => Err(Refusal::OldHttp),
        _ => Err(Refusal::Line),
    }
}

/// The host in a target, if it has one, and the path without the query.
fn split_target(target: &str) -> Result<(Option<&str>, &str), Refusal> {
    let (whole, _query) = target.split_once('?').unwrap_or((target, ""));
    if whole.starts_with('/') {
        return Ok((None, whole));
    }
    let (scheme, rest) = whole.split_once("://").ok_or(Refusal::Line)?;
    if !["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(Refusal::Line);
    }
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    Ok((Some(host), if path.is_empty() { "/" } else { path }))
}

/// Name and value of a header line; nothing when the value is not ASCII, and so not one that is asked for.
fn header(line: &[u8]) -> Result<Option<(&str, &str)>, Refusal> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::Header)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // A folded line begins with a blank, and a blank before the colon has been used to hide a header.
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(Refusal::Header);
    }
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Refusal::Header);
    }
    let name = str::from_utf8(name).map_err(|_| Refusal::Header)?;
    let value = value.is_ascii().then(|| str::from_utf8(value).ok()).flatten();
    Ok(value.map(|value| (name, value.trim_matches([' ', '\t']))))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request<'_>, Refusal> {
        Request::read(text.as_bytes())
    }

    #[test]
    fn a_request_is_taken_apart() {
        let request =
            read("GET /mqtt?token=x?y HTTP/1.1\r\nHost: pi:8083\r\nA:1\r\na: \t2, 3 ,\r\nB: x\r\n\r\n")
                .unwrap();
        assert_eq!((request.method, request.path, request.host), ("GET", "/mqtt", "pi:8083"));
        assert_eq!(request.values("a").collect::<Vec<_>>(), ["1", "2, 3 ,"]);
        assert_eq!(request.items("a").collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(request.only("b").unwrap(), Some("x"));
        assert_eq!(request.only("c").unwrap(), None);
        assert!(matches!(request.only("a"), Err(Refusal::Twice("a"))));
    }

    #[test]
    fn a_target_may_name_the_host() {
        let request = read("GET http://pi:1/mqtt?q HTTP/1.1\r\nHost: other\r\n\r\n").unwrap();
        assert_eq!((request.host, request.path), ("pi:1", "/mqtt"));
        assert_eq!(read("GET ws://pi HTTP/1.1\r\nHost: pi\r\n\r\n").unwrap().path, "/");
    }

    #[test]
    fn what_breaks_the_form_is_refused() {
        for line in [
            "GET /\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET / HTTP/1.1 \r\n",
            "GET / HTTP/2.0\r\n",
            "GET x HTTP/1.1\r\n",
            "GET ftp://pi/ HTTP/1.1\r\n",
            "G@T / HTTP/1.1\r\n",
            "GET /\u{7f} HTTP/1.1\r\n",
            "GET / HTTP/1.1\n",
        ] {
            assert!(matches!(read(&format!("{line}Host: pi\r\n\r\n")), Err(Refusal::Line)), "{line:?}");
        }
        for header in ["A", "A : 1", " A: 1", ": 1", "A: 1\r\n folded", "A: \0", "A: 1\r2", "Ä: 1"] {
            let text = format!("GET / HTTP/1.1\r\nHost: pi\r\n{header}\r\n\r\n");
            assert!(matches!(read(&text), Err(Refusal::Header)), "{header:?}");
        }
        assert!(matches!(read("GET / HTTP/1.0\r\nHost: pi\r\n\r\n"), Err(Refusal::OldHttp)));
    }

    #[test]
    fn a_request_names_its_host_once() {
        assert!(matches!(read("GET / HTTP/1.1\r\n\r\n"), Err(Refusal::Host)));
        assert!(matches!(read("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"), Err(Refusal::Twice("host"))));
    }

    #[test]
    fn a_header_with_other_bytes_than_ascii_is_read_over() {
        let request = Request::read(b"GET / HTTP/1.1\r\nHost: pi\r\nCookie: caf\xE9\r\n\r\n");
        assert_eq!(request.unwrap().only("cookie").unwrap(), None);
    }

    #[test]
    fn a_bare_line_feed_ends_no_header() {
        let text = "GET / HTTP/1.1\r\nHost: pi\r\nA: 1\nB: 2\r\n\r\n";
        assert!(matches!(read(text), Err(Refusal::Header)));
    }

    #[test]
    fn headers_are_counted() {
        let text = |count| format!("GET / HTTP/1.1\r\nHost: pi\r\n{}\r\n", "A: 1\r\n".repeat(count));
        assert!(read(&text(MOST_HEADERS - 1)).is_ok());
        assert!(matches!(read(&text(MOST_HEADERS)), Err(Refusal::TooLarge)));
    }

    #[test]
    fn a_head_ends_where_its_end_is_however_it_arrives() {
        let text = b"GET / HTTP/1.1\r\nHost: pi\r\n\r\nwhat follows";
        let end = text.len() - b"what follows".len();
        for cut in 0..end {
            let mut head = Head::default();
            assert_eq!(head.fill(&text[..cut]).unwrap(), (cut, false));
            assert_eq!(head.fill(&text[cut..]).unwrap(), (end - cut, true));
            assert_eq!(head.bytes, text[..end]);
        }
    }

    #[test]
    fn a_head_without_an_end_is_refused_when_it_is_too_long() {
        let mut head = Head::default();
        head.fill(&vec![b'A'; LONGEST_HEAD - 1]).unwrap();
        assert!(matches!(head.fill(b"AAAA"), Err(Refusal::TooLarge)));
    }
}
