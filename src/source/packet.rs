//! Packets of the classic protocol over any byte stream, cut out of one reused read buffer.
//!
//! A payload of 16 MiB - 1 bytes or more comes in several packets; it is joined in place. The buffer grows with the
//! bytes that have arrived, never with a length that was only announced. Reading may be cancelled at any await and
//! taken up again. Manual: "MySQL Packets".
//!
//! ```text
//! | 3 length | 1 sequence | payload ... |    length 0xffffff: the payload goes on in the next packet
//! ```

use std::io;
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::error::Failure;

/// A byte stream to the server, encrypted or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Bytes asked of the socket at once, and the buffer's usual size.
const READ: usize = 256 << 10;
/// With less room than this the buffer is compacted or grown before reading.
const LEAST_ROOM: usize = 64 << 10;
/// A buffer that a large payload left larger than this is given back.
const KEEP: usize = 4 << 20;
/// How long a read gets that begins after its deadline: what has already arrived is still taken.
const GRACE: Duration = Duration::from_millis(10);
/// The length that says "goes on in the next packet".
const FULL: usize = 0xff_ffff;
/// Bytes of a packet's header.
const HEADER: usize = 4;

/// A payload of which the first header was read.
#[derive(Debug, Clone, Copy)]
struct Partial {
    /// Bytes of the payload that earlier packets brought.
    joined: usize,
    /// Bytes of the packet being read.
    current: usize,
}

/// Reads and writes payloads.
pub(super) struct PacketStream {
    io: Box<dyn Duplex>,
    buffer: Vec<u8>,
    /// First byte not handed out. With `partial`, the first byte of the payload.
    start: usize,
    /// End of what has been received.
    end: usize,
    partial: Option<Partial>,
    sequence: u8,
    out_of_order: bool,
    limit: usize,
    deadline: Duration,
    /// When the wait for the next byte began.
    waiting_since: Option<Instant>,
}

impl PacketStream {
    /// A stream whose payloads are at most `limit` bytes and which may be silent for `deadline` while we wait.
    pub(super) fn new(io: Box<dyn Duplex>, limit: usize, deadline: Duration) -> Self {
        Self {
            io,
            buffer: vec![0; READ],
            start: 0,
            end: 0,
            partial: None,
            sequence: 0,
            out_of_order: false,
            limit,
            deadline,
            waiting_since: None,
        }
    }

    /// Changes how large a payload may be and how long the server may be silent.
    pub(super) fn set_limits(&mut self, limit: usize, deadline: Duration) {
        self.limit = limit;
        self.deadline = deadline;
        self.waiting_since = None;
    }

    /// The bare stream, to be wrapped in TLS. Bytes that the server has no business of having sent are an error.
    pub(super) fn into_io(self) -> Result<(Box<dyn Duplex>, u8), Failure> {
        if self.start == self.end && self.partial.is_none() {
            Ok((self.io, self.sequence))
        } else {
            Err(Failure::Protocol("the server sent data before TLS was set up"))
        }
    }

    /// Goes on counting packets where the stream before the TLS upgrade stopped.
    pub(super) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Sends a command: a payload that begins a new exchange.
    pub(super) async fn command(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.sequence = 0;
        self.write(payload).await
    }

    /// Sends a payload that answers the server.
    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let length = payload.len();
        if length >= FULL {
            return Err(Failure::Options("a statement of 16 MiB or more cannot be sent"));
        }
        let [a, b, c, ..] = length.to_le_bytes();
        let mut packet = Vec::with_capacity(HEADER.saturating_add(length));
        packet.extend_from_slice(&[a, b, c, self.sequence]);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        let io = &mut self.io;
        let sending = async {
            io.write_all(&packet).await?;
            io.flush().await
        };
        match timeout(self.deadline, sending).await {
            Ok(result) => result.map_err(Failure::Io),
            Err(_) => Err(Failure::Silent(self.deadline)),
        }
    }

    /// The next payload. It stays valid until the next call.
    pub(super) async fn read(&mut self) -> Result<&[u8], Failure> {
        let range = loop {
            match self.cut()? {
                Some(range) => break range,
                None => self.fill().await?,
            }
        };
        Ok(self.buffer.get(range).unwrap_or_default())
    }

    /// Whether [`read`](Self::read) would return without waiting for the socket.
    pub(super) fn has_buffered(&self) -> bool {
        let available = self.end.saturating_sub(self.start);
        let (joined, current, header) = match (self.partial, self.header_at(self.start)) {
            (Some(partial), _) => (partial.joined, partial.current, 0),
            (None, Some((length, _))) => (0, length, HEADER),
            (None, None) => return false,
        };
        current < FULL && available >= header.saturating_add(joined).saturating_add(current)
    }

    /// Length and sequence number of the packet header at `at`, if it has arrived.
    fn header_at(&self, at: usize) -> Option<(usize, u8)> {
        match self.buffer.get(at..self.end)?.first_chunk()? {
            &[a, b, c, sequence] => Some((usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, sequence)),
        }
    }

    /// Cuts the next payload out of the buffer, or says that more bytes are needed.
    fn cut(&mut self) -> Result<Option<Range<usize>>, Failure> {
        let mut partial = match self.partial {
            Some(partial) => partial,
            None => {
                let Some((current, sequence)) = self.header_at(self.start) else { return Ok(None) };
                self.out_of_order = sequence != self.sequence;
                self.sequence = sequence.wrapping_add(1);
                self.start = self.start.saturating_add(HEADER);
                self.begin(Partial { joined: 0, current })?
            }
        };
        loop {
            let length = partial.joined.saturating_add(partial.current);
            let end = self.start.saturating_add(length);
            if end > self.end {
                return Ok(None);
            }
            if partial.current < FULL {
                self.partial = None;
                let range = self.start..end;
                self.start = end;
                // An error packet may come out of turn: the server gave up in the middle of something.
                if self.out_of_order && self.buffer.get(range.start) != Some(&0xff) {
                    return Err(Failure::Protocol("packets out of order"));
                }
                return Ok(Some(range));
            }
            let Some((current, sequence)) = self.header_at(end) else { return Ok(None) };
            if sequence != self.sequence {
                return Err(Failure::Protocol("packets out of order"));
            }
            self.sequence = sequence.wrapping_add(1);
            // Close the gap that the header leaves in the payload; what follows it is at most one read.
            self.buffer.copy_within(end.saturating_add(HEADER)..self.end, end);
            self.end = self.end.saturating_sub(HEADER);
            partial = self.begin(Partial { joined: length, current })?;
        }
    }

    /// Notes a packet whose header was read, if the payload is not too large with it.
    fn begin(&mut self, partial: Partial) -> Result<Partial, Failure> {
        if partial.joined.saturating_add(partial.current) > self.limit {
            return Err(Failure::PacketTooLarge { limit: self.limit });
        }
        self.partial = Some(partial);
        Ok(partial)
    }

    /// Waits for bytes and appends them. Silence is counted from the first wait after the last byte, however often
    /// the wait is cancelled and taken up again.
    async fn fill(&mut self) -> Result<(), Failure> {
        self.make_room();
        let to = self.end.saturating_add(READ).min(self.buffer.len());
        let room = self.buffer.get_mut(self.end..to).unwrap_or_default();
        let waited = self.waiting_since.get_or_insert_with(Instant::now).elapsed();
        let limit = self.deadline.saturating_sub(waited).max(GRACE);
        let received = match timeout(limit, self.io.read(room)).await {
            Ok(Ok(received)) => received,
            // TLS was cut off without its goodbye.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Ok(Err(error)) => return Err(Failure::Io(error)),
            Err(_) => return Err(Failure::Silent(self.deadline)),
        };
        if received == 0 {
            return Err(Failure::Closed);
        }
        self.waiting_since = None;
        self.end = self.end.saturating_add(received);
        Ok(())
    }

    /// Makes room to read into: moves the rest to the front, gives a large buffer back, or grows.
    fn make_room(&mut self) {
        let rest = self.end.saturating_sub(self.start);
        if rest == 0 {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() > KEEP && rest < LEAST_ROOM {
            let mut small = Vec::with_capacity(READ);
            small.extend_from_slice(self.buffer.get(self.start..self.end).unwrap_or_default());
            small.resize(READ, 0);
            self.buffer = small;
            (self.start, self.end) = (0, rest);
        }
        if self.buffer.len().saturating_sub(self.end) >= LEAST_ROOM {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, rest);
        if self.buffer.len().saturating_sub(rest) < LEAST_ROOM {
            self.buffer.resize(self.buffer.len().saturating_mul(2), 0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    fn pair(limit: usize) -> (PacketStream, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        (PacketStream::new(Box::new(ours), limit, Duration::from_millis(300)), theirs)
    }

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let [a, b, c, ..] = payload.len().to_le_bytes();
        [&[a, b, c, sequence], payload].concat()
    }

    #[tokio::test]
    async fn packets_are_cut_whatever_the_pieces_they_arrive_in() {
        let (mut stream, mut peer) = pair(1 << 20);
        let bytes = [packet(0, b"one"), packet(1, b""), packet(2, b"three")].concat();
        let sender = tokio::spawn(async move {
            for byte in bytes {
                peer.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer
        });
        assert_eq!(stream.read().await.unwrap(), b"one");
        assert_eq!(stream.read().await.unwrap(), b"");
        assert_eq!(stream.read().await.unwrap(), b"three");
        drop(sender.await.unwrap());
        assert!(matches!(stream.read().await, Err(Failure::Closed)));
    }

    #[tokio::test]
    async fn payloads_over_sixteen_mebibytes_are_joined_and_the_buffer_is_given_back() {
        for length in [FULL - 1, FULL, FULL + 1, 2 * FULL, 2 * FULL + 70_000] {
            let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (mut stream, mut peer) = pair(64 << 20);
            let sent = payload.clone();
            let sender = tokio::spawn(async move {
                let mut sequence = 0_u8;
                for chunk in sent.chunks(FULL) {
                    peer.write_all(&packet(sequence, chunk)).await.unwrap();
                    sequence += 1;
                }
                if sent.len().is_multiple_of(FULL) {
                    peer.write_all(&packet(sequence, b"")).await.unwrap();
                    sequence += 1;
                }
                peer.write_all(&packet(sequence, b"after")).await.unwrap();
                peer.write_all(&packet(sequence + 1, b"more")).await.unwrap();
                peer
            });
            assert!(stream.read().await.unwrap() == payload, "{length}");
            assert_eq!(stream.read().await.unwrap(), b"after");
            assert_eq!(stream.read().await.unwrap(), b"more");
            drop(sender.await.unwrap());
            assert!(matches!(stream.read().await, Err(Failure::Closed)));
            assert!(stream.buffer.len() <= KEEP, "{} bytes kept", stream.buffer.len());
        }
    }

    #[tokio::test]
    async fn an_announced_length_allocates_nothing() {
        let (mut stream, mut peer) = pair(1 << 30);
        peer.write_all(&[0xfe, 0xff, 0xff, 0, 1, 2, 3]).await.unwrap();
        assert!(matches!(stream.read().await, Err(Failure::Silent(_))));
        assert_eq!(stream.buffer.len(), READ);
    }

    #[tokio::test]
    async fn a_payload_over_the_limit_is_refused_by_its_header() {
        let (mut stream, mut peer) = pair(1000);
        peer.write_all(&packet(0, &[0; 1001])[..4]).await.unwrap();
        assert!(matches!(stream.read().await, Err(Failure::PacketTooLarge { limit: 1000 })));
    }

    #[tokio::test]
    async fn packets_out_of_order_are_refused_but_an_error_packet_is_heard() {
        let (mut stream, mut peer) = pair(1000);
        peer.write_all(&packet(0, b"x")).await.unwrap();
        peer.write_all(&packet(7, b"\xff\x1d\x04gone")).await.unwrap();
        peer.write_all(&packet(3, b"x")).await.unwrap();
        assert_eq!(stream.read().await.unwrap(), b"x");
        assert_eq!(stream.read().await.unwrap(), b"\xff\x1d\x04gone");
        assert!(matches!(stream.read().await, Err(Failure::Protocol(_))));
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut stream, mut peer) = pair(64 << 20);
        let payload: Vec<u8> = (0..FULL + 500).map(|i| (i % 253) as u8).collect();
        let bytes = [packet(0, &payload[..FULL]), packet(1, &payload[FULL..])].concat();
        let sender = tokio::spawn(async move {
            for piece in bytes.chunks(300_000) {
                peer.write_all(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            peer
        });
        let mut cancelled = 0;
        loop {
            match timeout(Duration::from_micros(500), stream.read()).await {
                Ok(result) => {
                    assert!(result.unwrap() == payload);
                    break;
                }
                Err(_) => cancelled += 1,
            }
        }
        assert!(cancelled > 0);
        drop(sender.await.unwrap());
    }

    #[tokio::test]
    async fn silence_is_counted_through_cancelled_reads_and_ends_with_any_byte() {
        let (mut stream, mut peer) = pair(1000);
        let mut rounds = 0;
        let outcome = loop {
            rounds += 1;
            match timeout(Duration::from_millis(50), stream.read()).await {
                Ok(result) => break result.map(<[u8]>::to_vec),
                Err(_) if rounds == 5 => peer.write_all(&[1]).await.unwrap(),
                Err(_) => assert!(rounds < 30, "the deadline never strikes"),
            }
        };
        assert!(matches!(outcome, Err(Failure::Silent(_))), "{outcome:?}");
        assert!(rounds > 8, "{rounds}");
    }

    #[tokio::test]
    async fn has_buffered_tells_whether_a_whole_packet_is_there() {
        let (mut stream, mut peer) = pair(1000);
        let bytes = [packet(0, b"one"), packet(1, b"two"), packet(2, b"three")].concat();
        peer.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
        assert!(!stream.has_buffered());
        assert_eq!(stream.read().await.unwrap(), b"one");
        assert!(stream.has_buffered());
        assert_eq!(stream.read().await.unwrap(), b"two");
        assert!(!stream.has_buffered());
    }

    #[tokio::test]
    async fn a_written_packet_carries_length_and_sequence() {
        let (mut stream, mut peer) = pair(1000);
        stream.command(b"abc").await.unwrap();
        stream.write(b"d").await.unwrap();
        let mut seen = [0; 12];
        peer.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"\x03\0\0\0abc\x01\0\0\x01d");
    }
}
