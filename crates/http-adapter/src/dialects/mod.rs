//! One module per vendor API. A new dialect is a folder here and a line in `service`.

pub mod applivery;
pub mod emporix;
pub mod redhat;
pub mod wso2;
