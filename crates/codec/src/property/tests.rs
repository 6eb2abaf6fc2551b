use super::*;
use crate::ReasonCode;

const CARRIERS: [Carrier; 14] = [
    Carrier::Connect,
    Carrier::Will,
    Carrier::ConnAck,
    Carrier::Publish,
    Carrier::PubAck,
    Carrier::PubRec,
    Carrier::PubRel,
    Carrier::PubComp,
    Carrier::Subscribe,
    Carrier::SubAck,
    Carrier::Unsubscribe,
    Carrier::UnsubAck,
    Carrier::Disconnect,
    Carrier::Auth,
];

/// Every property with a value, as it stands on the wire.
const EXAMPLES: [&[u8]; 27] = [
    &[0x01, 1],
    &[0x02, 0, 0, 0, 9],
    &[0x03, 0, 1, b't'],
    &[0x08, 0, 1, b'r'],
    &[0x09, 0, 1, 0xFF],
    &[0x0B, 0x80, 0x01],
    &[0x11, 0xFF, 0xFF, 0xFF, 0xFF],
    &[0x12, 0, 1, b'c'],
    &[0x13, 0, 60],
    &[0x15, 0, 1, b'm'],
    &[0x16, 0, 0],
    &[0x17, 0],
    &[0x18, 0, 0, 0, 5],
    &[0x19, 1],
    &[0x1A, 0, 1, b'i'],
    &[0x1C, 0, 1, b's'],
    &[0x1F, 0, 1, b'w'],
    &[0x21, 0, 1],
    &[0x22, 0, 0],
    &[0x23, 0xFF, 0xFF],
    &[0x24, 1],
    &[0x25, 0],
    &[0x26, 0, 1, b'k', 0, 1, b'v'],
    &[0x27, 0, 0, 0, 1],
    &[0x28, 1],
    &[0x29, 0],
    &[0x2A, 1],
];

fn decode(bytes: &[u8], carrier: Carrier) -> Result<Properties, DecodeError> {
    let body = Bytes::copy_from_slice(bytes);
    Properties::decode(&body, carrier, &body)
}

#[test]
fn each_property_is_taken_by_its_carriers_alone() {
    // How many carriers table 2-4 lists for each, in the order of the examples.
    let counts = [2, 2, 2, 2, 2, 2, 3, 1, 1, 3, 3, 1, 1, 1, 1, 2, 9, 2, 2, 1, 1, 1, 14, 2, 1, 1, 1];
    for (bytes, count) in EXAMPLES.into_iter().zip(counts) {
        let taken = CARRIERS.into_iter().filter(|carrier| decode(bytes, *carrier).is_ok());
        assert_eq!(taken.count(), count, "property {:#04x}", bytes[0]);
    }
    assert_eq!(PropertyId::ALL.len(), EXAMPLES.len());
}

#[test]
fn each_property_is_written_as_it_was_read() {
    for carrier in CARRIERS {
        for bytes in EXAMPLES {
            let Ok(properties) = decode(bytes, carrier) else { continue };
            let mut out = Vec::new();
            properties.encode(carrier, &mut out).unwrap();
            assert_eq!(usize::from(out[0]), bytes.len());
            assert_eq!(&out[1..], bytes);
        }
    }
}

#[test]
fn two_properties_may_be_repeated() {
    for bytes in EXAMPLES {
        let carrier = CARRIERS.into_iter().rev().find(|carrier| decode(bytes, *carrier).is_ok()).unwrap();
        let twice = decode(&[bytes, bytes].concat(), carrier).map_err(|error| error.reason_code());
        match bytes[0] {
            0x26 => assert!(twice.is_ok()),
            _ => assert_eq!(twice, Err(ReasonCode::ProtocolError), "property {:#04x}", bytes[0]),
        }
    }
    let ids = decode(&[0x0B, 1, 0x0B, 2], Carrier::Publish).unwrap();
    assert!(ids.subscription_identifiers().eq([1, 2]));
}

#[test]
fn values_out_of_range_are_protocol_errors() {
    let cases: [(&[u8], Carrier); 7] = [
        (&[0x21, 0, 0], Carrier::Connect),
        (&[0x27, 0, 0, 0, 0], Carrier::ConnAck),
        (&[0x0B, 0], Carrier::Subscribe),
        (&[0x17, 2], Carrier::Connect),
        (&[0x25, 0xFF], Carrier::ConnAck),
        (&[0x24, 2], Carrier::ConnAck),
        (&[0x08, 0, 0], Carrier::Will),
    ];
    for (bytes, carrier) in cases {
        let error = decode(bytes, carrier).unwrap_err();
        assert_eq!(error.reason_code(), ReasonCode::ProtocolError, "{bytes:?}");
    }
}

#[test]
fn getters_give_the_value_or_nothing() {
    let bytes = EXAMPLES.concat();
    assert!(decode(&bytes, Carrier::Connect).is_err());
    let bytes = b"\x11\0\0\x01\0\x21\0\x0A\x15\0\x04SCRM\x26\0\x01k\0\x01v\x26\0\x01k\0\x01w\x17\0";
    let properties = decode(bytes, Carrier::Connect).unwrap();
    assert_eq!(properties.session_expiry_interval(), Some(256));
    assert_eq!(properties.receive_maximum(), Some(10));
    assert_eq!(properties.authentication_method().map(|method| &**method), Some("SCRM"));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.maximum_packet_size(), None);
    assert!(properties.user_properties().eq([("k", "v"), ("k", "w")]));
}

#[test]
fn a_will_hands_on_what_its_publish_carries() {
    let will = b"\x18\0\0\0\x05\x01\x01\x02\0\0\0\x09\x26\0\x01k\0\x01v\x03\0\x01t";
    let mut out = Vec::new();
    decode(will, Carrier::Will).unwrap().encode_forwarded(&mut out);
    assert_eq!(out, b"\x01\x01\x26\0\x01k\0\x01v\x03\0\x01t");

    let too_long = Property::ContentType("x".repeat(65_536).into());
    let properties = Properties::from_iter([too_long, Property::PayloadFormatIndicator(true)]);
    out.clear();
    properties.encode_forwarded(&mut out);
    assert_eq!(out, [0x01, 1], "what cannot be written leaves no trace");
}

#[test]
fn what_a_receiver_would_refuse_is_not_written() {
    let cases = [
        (Property::ReceiveMaximum(0), Carrier::Connect),
        (Property::TopicAlias(0), Carrier::Publish),
        (Property::TopicAlias(1), Carrier::Connect),
        (Property::MaximumQoS(QoS::ExactlyOnce), Carrier::ConnAck),
        (Property::SubscriptionIdentifier(268_435_456), Carrier::Subscribe),
        (Property::ResponseTopic("a/+".into()), Carrier::Publish),
        (Property::ReasonString("a\0".into()), Carrier::PubAck),
        (Property::ContentType("x".repeat(65_536).into()), Carrier::Will),
    ];
    for (property, carrier) in cases {
        let properties = Properties::from_iter([property]);
        assert!(properties.encode(carrier, &mut Vec::new()).is_err(), "{properties:?}");
    }
    let twice = Properties::from_iter([Property::TopicAlias(1), Property::TopicAlias(2)]);
    assert!(twice.encode(Carrier::Publish, &mut Vec::new()).is_err());
}
