//! One encoding of a message for every receiver that gets the same bytes.

use alloc::vec::Vec;
use core::ops::Range;
use darter_codec::{PacketId, PublishHead, QoS, Version};

/// The encodings of the message that is being routed, one for each (version, QoS, retain); only the packet
/// identifier differs between receivers.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    bytes: Vec<u8>,
    kinds: [Option<Template>; KINDS],
}

#[derive(Debug, Clone)]
struct Template {
    range: Range<usize>,
    /// Where the packet identifier stands, from the start of the packet.
    packet_id_at: usize,
}

/// Two encodings (3.x and 5), three QoS, RETAIN or not.
const KINDS: usize = 12;

impl Templates {
    /// Forgets the last message.
    pub(crate) fn clear(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.clear();
            self.kinds = [const { None }; KINDS];
        }
    }

    /// Appends a packet to `out`: everything before the payload, then `inline`.
    #[expect(clippy::too_many_arguments, reason = "the parts of one packet")]
    pub(crate) fn append<'a>(
        &mut self,
        version: Version,
        qos: QoS,
        retain: bool,
        packet_id: Option<PacketId>,
        head: impl FnOnce(Option<PacketId>) -> PublishHead<'a>,
        inline: &[u8],
        out: &mut Vec<u8>,
    ) {
        let kind = usize::from(version == Version::V5) * 6 + qos as usize * 2 + usize::from(retain);
        let template = match &mut self.kinds[kind] {
            Some(template) => template,
            empty => {
                let start = self.bytes.len();
                let packet_id_at = head(packet_id).encode(version, &mut self.bytes);
                self.bytes.extend_from_slice(inline);
                empty.insert(Template { range: start..self.bytes.len(), packet_id_at })
            }
        };
        let start = out.len();
        out.extend_from_slice(&self.bytes[template.range.clone()]);
        if let Some(packet_id) = packet_id {
            let at = start + template.packet_id_at;
            out[at..at + 2].copy_from_slice(&packet_id.get().to_be_bytes());
        }
    }
}
