//! Certificates and tokens as servers, nodes and people use them.

mod cluster;
mod garbage;
mod handshake;
mod https;
mod issuing;
