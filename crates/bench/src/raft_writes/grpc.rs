use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;

use super::VALUE;
use super::load::Writer;

/// A client of etcd that does no more than it must: gRPC's `etcdserverpb.KV/Put` on an HTTP/2 connection of its own.
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    uri: String,
    client: usize,
    number: u64,
}

impl Connection {
    pub(super) async fn open(address: String, client: usize) -> Result<Self, String> {
        let fail = |error: &dyn std::fmt::Display| format!("{address}: {error}");
        let stream = TcpStream::connect(&address).await.map_err(|error| fail(&error))?;
        stream.set_nodelay(true).map_err(|error| fail(&error))?;
        let (send, connection) = h2::client::handshake(stream).await.map_err(|error| fail(&error))?;
        // It ends with its sender; what goes wrong is seen there.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, uri: format!("http://{address}/etcdserverpb.KV/Put"), client, number: 0 })
    }

    async fn put(&mut self) -> Result<(), h2::Error> {
        self.number += 1;
        let request = Request::post(&self.uri).header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(()).expect("its parts are well-formed");
        std::future::poll_fn(|context| self.send.poll_ready(context)).await?;
        let (response, mut body) = self.send.send_request(request, false)?;
        body.send_data(message(&format!("{}/{}", self.client, self.number)), true)?;
        let mut answer = response.await?.into_body();
        let mut received = 0;
        while let Some(data) = answer.data().await {
            let length = data?.len();
            received += length;
            answer.flow_control().release_capacity(length)?;
        }
        let trailers = answer.trailers().await?;
        let status = trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        if received > 0 && status.is_some_and(|status| status == "0") {
            return Ok(());
        }
        Err(h2::Reason::INTERNAL_ERROR.into())
    }
}

impl Writer for Connection {
    async fn write(&mut self) -> Result<(), String> {
        self.put().await.map_err(|error| format!("{}: {error}", self.uri))
    }
}

/// A `PutRequest` of this key and a value of the wanted size, in gRPC's frame.
fn message(key: &str) -> Bytes {
    const KEY: u8 = 1 << 3 | 2;
    const CONTENT: u8 = 2 << 3 | 2;
    let value = format!("{key:0>VALUE$}");
    let mut put = BytesMut::new();
    for (field, content) in [(KEY, key), (CONTENT, value.as_str())] {
        put.put_u8(field);
        let mut length = content.len();
        while length >= 0x80 {
            put.put_u8(length as u8 | 0x80);
            length >>= 7;
        }
        put.put_u8(length as u8);
        put.put_slice(content.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(put.len() as u32);
    frame.extend_from_slice(&put);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_framed_as_protobuf_and_grpc_have_it() {
        let frame = message("7/1");
        assert_eq!(frame.len(), 5 + 2 + 3 + 3 + VALUE);
        assert_eq!(&frame[..10], [0, 0, 0, 1, 8, 0x0a, 3, b'7', b'/', b'1']);
        assert_eq!(&frame[10..13], [0x12, 0x80, 0x02], "256 as a varint");
    }
}
