use icefield_api::IdempotencyKey;

use super::VALUE;
use super::load::Writer;
use crate::connection::Connection;

/// A client of Icefield: each write is a note.
pub(super) struct Notes {
    connection: Connection,
    client: usize,
    number: u64,
}

impl Notes {
    pub(super) async fn open(address: String, client: usize) -> Result<Self, String> {
        let connection = Connection::open(address.clone()).await.map_err(|error| format!("{address}: {error}"))?;
        Ok(Self { connection, client, number: 0 })
    }
}

impl Writer for Notes {
    async fn write(&mut self) -> Result<(), String> {
        self.number += 1;
        let text = format!("{:0>width$}", format!("{} {}", self.client, self.number), width = VALUE);
        let body = format!("{{\"text\":\"{text}\"}}");
        let head = format!("{}: {}\r\n", IdempotencyKey::HEADER, IdempotencyKey::fresh());
        match self.connection.ask("POST", "/v1/events", &head, body.as_bytes()).await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body))),
            Err(error) => Err(error.to_string()),
        }
    }
}
