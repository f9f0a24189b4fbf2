//! What a store that takes uploads in parts is left with when one fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use appdepot_core::ErrorKind;
use appdepot_core::blobs::{BlobKey, BlobStore as _};
use appdepot_core::domain::Id;
use appdepot_storage::OpendalBlobs;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use opendal::raw::{
    OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir, RpPresign,
    RpRename, RpStat, Service, ServiceInfo, oio,
};
use opendal::{Buffer, Capability, Error, Metadata, OperationContext, Operator, Result};

/// Takes every byte, and fails at the end. Counts the uploads that are given up.
#[derive(Debug, Clone, Default)]
struct NeverDone(Arc<AtomicUsize>);

fn refused<T>() -> Result<T> {
    Err(Error::new(opendal::ErrorKind::Unexpected, "refused"))
}

impl oio::Write for NeverDone {
    async fn write(&mut self, _: Buffer) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        refused()
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.fetch_add(1, SeqCst);
        Ok(())
    }
}

impl Service for NeverDone {
    type Reader = ();
    type Writer = Self;
    type Lister = ();
    type Deleter = ();
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::with_scheme("never-done")
    }

    fn capability(&self) -> Capability {
        Capability { write: true, write_can_multi: true, ..Capability::default() }
    }

    fn write(&self, _: &OperationContext, _: &str, _: OpWrite) -> Result<Self> {
        Ok(self.clone())
    }

    fn create_dir(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpCreateDir,
    ) -> impl Future<Output = Result<RpCreateDir>> + Send {
        ready(refused())
    }

    fn stat(&self, _: &OperationContext, _: &str, _: OpStat) -> impl Future<Output = Result<RpStat>> + Send {
        ready(refused())
    }

    fn read(&self, _: &OperationContext, _: &str, _: OpRead) -> Result<()> {
        refused()
    }

    fn delete(&self, _: &OperationContext) -> Result<()> {
        refused()
    }

    fn list(&self, _: &OperationContext, _: &str, _: OpList) -> Result<()> {
        refused()
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<()> {
        refused()
    }

    fn rename(
        &self,
        _: &OperationContext,
        _: &str,
        _: &str,
        _: OpRename,
    ) -> impl Future<Output = Result<RpRename>> + Send {
        ready(refused())
    }

    fn presign(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpPresign,
    ) -> impl Future<Output = Result<RpPresign>> + Send {
        ready(refused())
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_completed_is_given_up() {
    let service = NeverDone::default();
    let operator = Operator::from_parts(OperationContext::default(), Arc::new(service.clone()));
    let blobs = OpendalBlobs::from_operator(operator);
    let body = stream::iter([Ok(Bytes::from_static(b"bytes"))]).boxed();
    let error = blobs.put(&BlobKey::of(Id::generate()), body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(service.0.load(SeqCst), 1);
}
