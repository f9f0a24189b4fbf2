//! Multipart forms, part by part, without holding a file in memory.
//!
//! Clients send the file first, last or in between. [`Form::next`] yields the parts in the order they come; what
//! a dialect does about the order is one of two things:
//!
//! - files of a few megabytes: keep the file part with [`FilePart::keep`] until the texts are known;
//! - large files: hand [`FilePart::stream`] to the depot with the texts seen so far, read the rest of the form before
//!   that stream ends, and give the depot what it said in [`NewFile::accept`](appdepot_core::depot::NewFile).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use appdepot_core::blobs::ByteStream;
use appdepot_core::{Error, ErrorKind, Result};
use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::{Constraints, Multipart};

use super::json::identity;

/// The most parts one form may have.
pub(crate) const PART_LIMIT: usize = 64;
/// The most bytes the headers of one part may have.
pub(crate) const HEADER_LIMIT: usize = 8 * 1024;
/// The most bytes a text part may have.
pub(crate) const TEXT_LIMIT: usize = 64 * 1024;
/// The most bytes handed on at once.
const CHUNK: usize = 64 * 1024;

/// A multipart form that is being received.
pub(crate) struct Form {
    multipart: Multipart<'static>,
    allowance: Arc<AtomicUsize>,
    parts: usize,
}

/// One part of a form.
pub(crate) enum Part {
    /// A field: no file name was given.
    Text {
        /// The field's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A file.
    File(FilePart),
}

/// A file that is being received. The next part can be asked for once its stream was read to the end and dropped.
pub(crate) struct FilePart {
    /// The field's name.
    pub(crate) name: String,
    /// The file's name; control characters and directories are still in it, the depot cleans it.
    pub(crate) file_name: String,
    /// The media type that the client gave.
    pub(crate) media_type: Option<String>,
    /// The bytes.
    pub(crate) stream: ByteStream,
}

impl Form {
    /// The form in `body`.
    ///
    /// # Errors
    /// `Unsupported` unless the content type is `multipart/form-data` and the body is not compressed; `Invalid`
    /// for a missing or impossible boundary (RFC 2046 §5.1.1: 1 to 70 characters).
    pub(crate) fn new(headers: &HeaderMap, body: Body) -> Result<Self> {
        identity(headers)?;
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = match multer::parse_boundary(content_type) {
            Ok(boundary) if (1..=70).contains(&boundary.len()) => boundary,
            Err(multer::Error::NoMultipart | multer::Error::DecodeContentType(_)) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the content type is not multipart/form-data",
                ));
            }
            _ => return Err(malformed("the multipart boundary is missing or too long")),
        };
        let allowance = Arc::new(AtomicUsize::new(0));
        let body = Paced {
            body: body.into_data_stream(),
            rest: Bytes::new(),
            allowance: Arc::clone(&allowance),
            pause: false,
        };
        let multipart = Multipart::with_constraints(body, boundary, Constraints::new());
        Ok(Self { multipart, allowance, parts: 0 })
    }

    /// The bytes of `file`, which is the last part that matters: the stream ends well only if the form does.
    ///
    /// So whoever stores the stream learns of a form that breaks off or goes on, before it keeps the file.
    /// Further texts are passed over, unless their name is in `known`.
    ///
    /// # Errors
    /// In the stream: those of [`Form::next`], and `Invalid` for a second file or a repeated `known` name.
    pub(crate) fn into_last(self, file: FilePart, known: &'static [&'static str]) -> ByteStream {
        let state = Some((self, Some(file.stream)));
        let stream = futures::stream::try_unfold(state, async move |state| {
            let Some((mut form, stream)) = state else { return Ok(None) };
            if let Some(mut stream) = stream
                && let Some(chunk) = stream.try_next().await?
            {
                return Ok(Some((chunk, Some((form, Some(stream))))));
            }
            while let Some(part) = form.next().await? {
                match part {
                    Part::Text { name, .. } if !known.contains(&name.as_str()) => {}
                    _ => return Err(malformed("a part of the form comes twice")),
                }
            }
            Ok(None)
        });
        stream.boxed()
    }

    /// The next part, or `None` after the last.
    ///
    /// # Errors
    /// `Invalid` for what is no form, a part without a name, a text that is not UTF-8 or contains U+0000;
    /// `TooLarge` beyond [`PART_LIMIT`], [`HEADER_LIMIT`] or [`TEXT_LIMIT`].
    pub(crate) async fn next(&mut self) -> Result<Option<Part>> {
        // The form parser collects a part's headers without a bound of its own, so the body gives it no more than
        // this until the headers are there.
        self.allowance.store(HEADER_LIMIT, Ordering::Relaxed);
        let field = self.multipart.next_field().await;
        self.allowance.store(usize::MAX, Ordering::Relaxed);
        let Some(field) = field.map_err(fault)? else { return Ok(None) };
        self.parts += 1;
        if self.parts > PART_LIMIT {
            return Err(limit("parts of the form", PART_LIMIT, "parts"));
        }
        let header_length: usize =
            field.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_length > HEADER_LIMIT {
            return Err(limit("headers of a part", HEADER_LIMIT, "bytes"));
        }
        let name = field.name().ok_or_else(|| malformed("a part of the form has no name"))?.to_owned();
        let Some(file_name) = field.file_name().map(str::to_owned) else {
            let value = text(&name, field).await?;
            return Ok(Some(Part::Text { name, value }));
        };
        let media_type = field.content_type().map(ToString::to_string);
        // An ended field must be dropped before the next can be had, also when whoever reads keeps the stream.
        let stream = futures::stream::unfold(Some(field), async |state| {
            let mut field = state?;
            match field.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(field))),
                Ok(None) => None,
                Err(error) => Some((Err(fault(error)), None)),
            }
        });
        Ok(Some(Part::File(FilePart { name, file_name, media_type, stream: stream.boxed() })))
    }
}

impl FilePart {
    /// The whole file, at most `limit` bytes.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit; `Invalid` when the client breaks off.
    pub(crate) async fn keep(&mut self, limit: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.stream.try_next().await? {
            if all.len() + chunk.len() > limit {
                return Err(Error::too_large(u64::try_from(limit).unwrap_or(u64::MAX)));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}

async fn text(name: &str, mut field: multer::Field<'static>) -> Result<String> {
    let mut all = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(fault)? {
        if all.len() + chunk.len() > TEXT_LIMIT {
            return Err(limit("a field of the form", TEXT_LIMIT, "bytes"));
        }
        all.extend_from_slice(&chunk);
    }
    match String::from_utf8(all) {
        Ok(value) if !value.contains('\0') => Ok(value),
        _ => Err(malformed(format!("the field {:.64} is not text", name.escape_default().to_string()))),
    }
}

fn malformed(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

fn limit(what: &str, limit: usize, unit: &'static str) -> Error {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let detail = appdepot_core::error::Detail::Limit { limit, unit };
    Error::new(ErrorKind::TooLarge, format!("{what}: more than {limit} {unit}")).with_detail(detail)
}

fn fault(error: multer::Error) -> Error {
    // Errors of the body itself arrive wrapped; ours among them keep their kind.
    match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => malformed("the body ended early").with_source(other),
        },
        other => malformed("the body is not a complete multipart form").with_source(other),
    }
}

/// A body in small chunks that pauses after each one.
///
/// The form parser reads its source until that is not ready and keeps all it got. A body that is always ready, as
/// one over loopback or in a test is, would be in memory whole before the first byte is handed on.
struct Paced {
    body: BodyDataStream,
    rest: Bytes,
    /// How many bytes may still be handed on.
    allowance: Arc<AtomicUsize>,
    pause: bool,
}

impl Stream for Paced {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match futures::ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => {
                    let error = malformed("the body ended early").with_source(error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
        let allowance = self.allowance.load(Ordering::Relaxed);
        if allowance == 0 {
            return Poll::Ready(Some(Err(limit("headers of a part", HEADER_LIMIT, "bytes"))));
        }
        let length = self.rest.len().min(CHUNK).min(allowance);
        if allowance != usize::MAX {
            self.allowance.store(allowance - length, Ordering::Relaxed);
        }
        self.pause = true;
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())])
    }

    fn form(body: impl Into<Body>) -> Form {
        Form::new(&headers("multipart/form-data; boundary=X"), body.into()).unwrap()
    }

    fn text_part(name: &str, value: &str) -> String {
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    fn file_part(name: &str, value: &str) -> String {
        format!(
            "--X\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{value}\r\n"
        )
    }

    async fn read(mut form: Form) -> Result<Vec<(String, String)>> {
        let mut parts = Vec::new();
        while let Some(part) = form.next().await? {
            parts.push(match part {
                Part::Text { name, value } => (name, value),
                Part::File(mut file) => {
                    let bytes = file.keep(1 << 20).await?;
                    (file.name, String::from_utf8(bytes.to_vec()).unwrap())
                }
            });
        }
        Ok(parts)
    }

    #[tokio::test]
    async fn parts_come_in_either_order() {
        let (text, file) = (text_part("body", "{}"), file_part("file", "bytes\r\n--not X"));
        for body in [format!("{text}{file}--X--\r\n"), format!("preamble\r\n{file}{text}--X--")] {
            let mut parts = read(form(body)).await.unwrap();
            parts.sort();
            let expected = [("body", "{}"), ("file", "bytes\r\n--not X")];
            assert_eq!(parts, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        }
    }

    #[tokio::test]
    async fn single_bytes_arrive_too() {
        let body = format!("{}{}--X--", file_part("file", "12\r\r\n-3"), text_part("a", "b"));
        let bytes: Vec<_> =
            body.into_bytes().into_iter().map(|b| Ok::<_, std::io::Error>(Bytes::from(vec![b]))).collect();
        let parts = read(form(Body::from_stream(futures::stream::iter(bytes)))).await.unwrap();
        assert_eq!(parts[0].1, "12\r\r\n-3");
        assert_eq!(parts[1].1, "b");
    }

    #[tokio::test]
    async fn the_last_file_ends_well_only_if_the_form_does() {
        let (file, other, known) = (file_part("file", "abc"), text_part("x", "y"), text_part("body", "{}"));
        for (rest, good) in [
            (format!("{file}--X--"), true),
            (format!("{file}{other}--X--"), true),
            (format!("{file}{known}--X--"), false),
            (format!("{file}{file}--X--"), false),
            (format!("{file}{other}"), false),
            (file.clone(), false),
        ] {
            let mut form = form(rest.clone());
            let Some(Part::File(file)) = form.next().await.unwrap() else { panic!("a file") };
            let all: Result<Vec<Bytes>> = form.into_last(file, &["body", "file"]).try_collect().await;
            assert_eq!(all.is_ok(), good, "{rest}");
        }
    }

    #[tokio::test]
    async fn bounds() {
        let many: String = (0..=PART_LIMIT).map(|n| text_part(&n.to_string(), "v")).collect();
        assert_eq!(read(form(many + "--X--")).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let most: String = (0..PART_LIMIT).map(|n| text_part(&n.to_string(), "v")).collect();
        assert_eq!(read(form(most + "--X--")).await.unwrap().len(), PART_LIMIT);
        let long = text_part("a", &"x".repeat(TEXT_LIMIT + 1)) + "--X--";
        assert_eq!(read(form(long)).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let headers = format!("--X\r\nX-Junk: {}\r\n\r\n--X--", "y".repeat(64 << 20));
        assert_eq!(read(form(headers)).await.unwrap_err().kind(), ErrorKind::TooLarge);
        let preamble = "z".repeat(64 << 20);
        assert_eq!(read(form(preamble)).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn broken_forms_are_the_clients_fault() {
        let whole = format!("{}{}--X--", text_part("body", "{}"), file_part("file", "0123456789"));
        for cut in 0..whole.len() - 1 {
            let error = read(form(whole[..cut].to_owned())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "cut at {cut}");
        }
        let unnamed = "--X\r\nContent-Disposition: form-data\r\n\r\nv\r\n--X--";
        assert_eq!(read(form(unnamed)).await.unwrap_err().kind(), ErrorKind::Invalid);
        let nul = text_part("a", "b\0c") + "--X--";
        assert_eq!(read(form(nul)).await.unwrap_err().kind(), ErrorKind::Invalid);
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for (content_type, kind) in [
            ("multipart/form-data", ErrorKind::Invalid),
            (long.as_str(), ErrorKind::Invalid),
            ("application/json", ErrorKind::Unsupported),
        ] {
            let error = Form::new(&headers(content_type), Body::empty()).err().unwrap();
            assert_eq!(error.kind(), kind, "{content_type}");
        }
    }

    proptest::proptest! {
        #[test]
        fn however_it_is_cut_a_form_is_the_same(
            cuts in proptest::collection::vec(1_usize..40, 1..60),
            value in "[-X\\r\\n]{0,40}",
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        ) {
            let body = format!("{}{}--X--", text_part("a", "b"), file_part("file", &value));
            let mut rest = Bytes::from(body.clone());
            let mut cuts = cuts.into_iter().cycle();
            let chunks = std::iter::from_fn(move || {
                (!rest.is_empty()).then(|| Ok::<_, std::io::Error>(rest.split_to(cuts.next().unwrap().min(rest.len()))))
            });
            let cut = futures::executor::block_on(read(form(Body::from_stream(futures::stream::iter(chunks)))));
            let whole = futures::executor::block_on(read(form(body)));
            proptest::prop_assert_eq!(format!("{cut:?}"), format!("{whole:?}"));
            // And what is no form at all ends.
            let _ = futures::executor::block_on(read(form(bytes)));
        }
    }

    #[tokio::test]
    async fn a_ready_body_is_not_taken_in_whole() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let head = Bytes::from(file_part("file", "").trim_end_matches("\r\n").to_owned() + "\r\n\r\n");
        let chunks = futures::stream::iter([head]).chain(futures::stream::iter(0..1024).map(move |_| {
            counter.fetch_add(1 << 20, Ordering::Relaxed);
            Bytes::from(vec![7; 1 << 20])
        }));
        let mut form = form(Body::from_stream(chunks.map(Ok::<_, std::io::Error>)));
        let Some(Part::File(mut file)) = form.next().await.unwrap() else { panic!("a file") };
        let mut seen = 0;
        while seen < 4 << 20 {
            seen += file.stream.try_next().await.unwrap().unwrap().len();
        }
        assert!(taken.load(Ordering::Relaxed) <= seen + (2 << 20), "{taken:?} for {seen}");
    }
}
