//! Which formats are known, and the inspector that asks them.

use appdepot_core::inspect::{self, Hint, Inspection, Inspector, Package, Problem, Source};
use async_trait::async_trait;
use futures::FutureExt;

use crate::containers::{Container, Packing};
use crate::error::{Anomaly, Code};
use crate::fields::Fields;
use crate::formats;
use crate::limits::Limits;
use crate::reader::{Findings, Reader};
use crate::source::{FileSource, SliceSource};

/// How much of the end of a file formats see when they are asked for a score, in bytes.
const TAIL: usize = 512;

/// A package format: says how surely a file is one, and reads it.
///
/// # Behavior
/// - `score` only looks at what the [`Probe`] has at hand; it reads nothing.
/// - `read` is called for the one format that won. It notes oddities on the reader, and returns an error only
///   where the identity cannot be told.
#[async_trait]
pub trait Format: Send + Sync {
    /// The word for the format in the result.
    fn name(&self) -> inspect::Format;

    /// Who wins at equal scores; higher does. Formats whose files are also valid files of another format (an
    /// IPA is a ZIP) stand above it. Default 0.
    fn tier(&self) -> u8 {
        0
    }

    /// How its files are packed.
    fn packing(&self) -> Packing;

    /// The file name extensions of its files, lower case, without the dot.
    fn extensions(&self) -> &'static [&'static str];

    /// How surely the file is of this format.
    fn score(&self, probe: &Probe<'_>) -> Score;

    /// Reads who the package is.
    ///
    /// # Errors
    /// Why its identity cannot be told.
    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem>;
}

/// How surely a file is of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Score {
    /// It is not.
    No,
    /// Nothing speaks against it.
    Possible,
    /// It has what most files of the format have and others seldom do.
    Likely,
    /// It has what only files of the format have.
    Certain,
}

/// What formats see when they are asked for a score.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The first bytes of the file.
    pub head: &'a [u8],
    /// The last 512 bytes of the file; empty where opening the packing did not read them.
    pub tail: &'a [u8],
    /// The length of the file in bytes.
    pub length: u64,
    /// The packing, opened.
    pub container: &'a Container,
    /// What the uploader says; only for content that could be anything.
    pub hint: &'a Hint,
}

/// What a format reads from.
pub struct Input<'a> {
    /// The bytes, the limits and the notes.
    pub reader: Reader<'a>,
    /// The packing, opened.
    pub container: Container,
    /// What the uploader says.
    pub hint: &'a Hint,
}

/// The formats an [`Extractor`] knows.
pub struct Registry {
    formats: Vec<Box<dyn Format>>,
}

impl Registry {
    /// A registry that knows no format.
    pub fn new() -> Self {
        Self { formats: Vec::new() }
    }

    /// Adds a format.
    #[must_use]
    pub fn with(mut self, format: impl Format + 'static) -> Self {
        self.formats.push(Box::new(format));
        self
    }

    /// The formats whose files carry this name extension.
    fn hinted(&self, hint: &Hint) -> Option<&dyn Format> {
        let (_, extension) = hint.file_name.as_deref()?.rsplit_once('.')?;
        self.formats
            .iter()
            .map(AsRef::as_ref)
            .find(|format| format.extensions().iter().any(|known| known.eq_ignore_ascii_case(extension)))
    }

    /// The format the content speaks for, and whether another one is as certain.
    fn choose(&self, probe: &Probe<'_>, hinted: Option<&dyn Format>) -> Option<(&dyn Format, bool)> {
        let rank = |format: &dyn Format, score: Score| {
            (score, format.tier(), hinted.is_some_and(|hinted| hinted.name() == format.name()))
        };
        let mut certain = 0;
        let mut best = None;
        for format in self.formats.iter().map(AsRef::as_ref) {
            let score = format.score(probe);
            if score == Score::No {
                continue;
            }
            certain += usize::from(score == Score::Certain);
            let rank = rank(format, score);
            // of equals the one registered first
            if best.is_none_or(|(_, highest)| rank > highest) {
                best = Some((format, rank));
            }
        }
        best.map(|(format, (score, ..))| (format, score == Score::Certain && certain > 1))
    }
}

impl Default for Registry {
    /// All built-in formats.
    fn default() -> Self {
        formats::all()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.formats.iter().map(|format| format.name())).finish()
    }
}

/// The inspector of this crate: two questions in order, how is it packed and whose package is it.
///
/// # Behavior
/// - The content decides. A name whose extension belongs to another known format gives `E_TYPE_MISMATCH`, one
///   whose archive lacks the manifest `E_MANIFEST_MISSING`; a file of no known format without such a name is
///   `unknown` without an error.
/// - An error beside a package says why to refuse a file whose identity is nevertheless clear.
///
/// ```
/// use appdepot_metadata::{Extractor, Limits, Registry};
///
/// let extractor = Extractor::new(Registry::default(), Limits::remote());
/// let found = extractor.inspect_slice(b"hello", &Default::default());
/// assert_eq!(found.format, appdepot_core::inspect::Format::Unknown);
/// assert_eq!(found.error, None);
/// ```
#[derive(Debug, Default)]
pub struct Extractor {
    registry: Registry,
    limits: Limits,
    #[cfg(feature = "icon")]
    icon_edge: Option<u32>,
}

impl Extractor {
    /// An inspector over these formats within these limits.
    pub fn new(registry: Registry, limits: Limits) -> Self {
        Self {
            registry,
            limits,
            #[cfg(feature = "icon")]
            icon_edge: None,
        }
    }

    /// Reads these parts only.
    ///
    /// ```
    /// use appdepot_metadata::{Extractor, Fields};
    ///
    /// let brief = Extractor::default().fields(Fields::IDENTITY);
    /// assert_eq!(brief.inspect_slice(b"hello", &Default::default()).package, None);
    /// ```
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.limits.fields = fields;
        self
    }

    /// Answers for icons too, as [`icon::extract`](crate::icon::extract) does; `edge` is the size of those that must be
    /// drawn, 16 to 512 pixels.
    #[cfg(feature = "icon")]
    #[must_use]
    pub fn icons(mut self, edge: u32) -> Self {
        self.icon_edge = Some(edge);
        self
    }

    /// Reads bytes in memory.
    pub fn inspect_slice(&self, data: &[u8], hint: &Hint) -> Inspection {
        self.inspect_ready(&SliceSource(data), hint)
    }

    /// Reads a file; its name is the hint.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn inspect_file(&self, path: impl AsRef<std::path::Path>) -> std::io::Result<Inspection> {
        let path = path.as_ref();
        let source = FileSource::open(path)?;
        let hint =
            path.file_name().map_or_else(Hint::default, |name| Hint::file_name(name.to_string_lossy()));
        Ok(self.inspect_ready(&source, &hint))
    }

    /// Files and slices answer at once, so no runtime is needed.
    fn inspect_ready(&self, source: &dyn Source, hint: &Hint) -> Inspection {
        self.inspect(source, hint).now_or_never().unwrap_or_else(Inspection::unknown)
    }

    async fn read(&self, input: &mut Input<'_>) -> (inspect::Format, Result<Option<Package>, Problem>) {
        let hinted = self.registry.hinted(input.hint);
        let head = match input.reader.head().await {
            Ok(head) => head,
            Err(problem) => return (inspect::Format::Unknown, Err(problem)),
        };
        if input.reader.length() == 0 {
            return (inspect::Format::Unknown, Err(Code::Truncated.problem("the file is empty")));
        }
        match Container::open(&mut input.reader).await {
            Ok(container) => input.container = container,
            Err(problem) => return (inspect::Format::Unknown, Err(problem)),
        }
        let length = input.reader.length();
        let tail = length.checked_sub(TAIL as u64).and_then(|at| input.reader.at_hand(at, TAIL));
        let tail = tail.unwrap_or_default();
        let probe = Probe { head: &head, tail, length, container: &input.container, hint: input.hint };
        let Some((format, rivals)) = self.registry.choose(&probe, hinted) else {
            return (inspect::Format::Unknown, nothing(hinted, input));
        };
        let as_named = hinted.is_some_and(|hinted| hinted.name() == format.name());
        if rivals {
            input.reader.note(Anomaly::SeveralFormats);
            if !as_named {
                let problem = Code::ZipAmbiguous.problem("the content is of several formats at once");
                return (inspect::Format::Unknown, Err(problem));
            }
        } else if hinted.is_some() && !as_named {
            input.reader.refuse(
                Code::TypeMismatch.problem(format!(
                    "the content is {}, which the name does not say",
                    format.name().as_str()
                )),
            );
        }
        (format.name(), format.read(input).await.map(Some))
    }
}

/// The verdict on a file of no known format.
fn nothing(hinted: Option<&dyn Format>, input: &Input<'_>) -> Result<Option<Package>, Problem> {
    const SHORTEST: u64 = 4;
    match hinted {
        None => Ok(None),
        Some(_) if input.reader.length() < SHORTEST => Err(Code::Truncated.problem("the file is too short")),
        // a reason found in the packing says more than that nothing came of it
        Some(_) if input.reader.refusal().is_some() => Ok(None),
        Some(format)
            if format.packing() == input.container.packing() && format.packing() != Packing::Plain =>
        {
            Err(Code::ManifestMissing
                .problem(format!("an archive without the manifest of {}", format.name().as_str())))
        }
        Some(format) => {
            Err(Code::TypeMismatch
                .problem(format!("named as {} and of another content", format.name().as_str())))
        }
    }
}

#[async_trait]
impl Inspector for Extractor {
    async fn inspect(&self, source: &dyn Source, hint: &Hint) -> Inspection {
        let mut input =
            Input { reader: Reader::new(source, &self.limits), container: Container::Plain, hint };
        let (format, result) = self.read(&mut input).await;
        let Findings { anomalies, refusal, reads, bytes_read } = input.reader.finish();
        let (package, problem) = match result {
            Ok(package) => (package, None),
            Err(problem) => (None, Some(problem)),
        };
        Inspection {
            format,
            // what ended the reading comes before what was noted on the way, except a doubt about which package
            error: match (problem, refusal) {
                (Some(_), Some(doubt)) if Code::ZipAmbiguous.is(&doubt) => Some(doubt),
                (problem, refusal) => problem.or(refusal),
            },
            anomalies: anomalies.iter().map(|anomaly| anomaly.as_str().to_owned()).collect(),
            package,
            reads,
            bytes_read,
        }
    }

    #[cfg(feature = "icon")]
    async fn icon(&self, source: &dyn Source, edge: Option<u32>) -> Option<bytes::Bytes> {
        let drawn = self.icon_edge?;
        let icon = match edge {
            Some(edge) => crate::icon::square(source, &self.limits, edge).await,
            None => crate::icon::extract(source, &self.limits, drawn).await,
        };
        Some(icon.ok()??.png.into())
    }
}
