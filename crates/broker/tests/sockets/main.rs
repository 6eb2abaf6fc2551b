//! A server on real sockets, with one shard and with four.
#![allow(missing_docs, reason = "the tests are named for what they show")]
#![allow(clippy::unwrap_used, reason = "a test that goes wrong shall end at once")]

/// Tests of one subject, each with one shard and with four.
macro_rules! battery {
    ($(fn $name:ident($shards:ident: u8) $body:block)*) => {
        $(
            fn $name($shards: u8) $body
        )*

        mod one_shard {
            $(
                #[test]
                fn $name() {
                    super::$name(1);
                }
            )*
        }

        mod four_shards {
            $(
                #[test]
                fn $name() {
                    super::$name(4);
                }
            )*
        }
    };
}

mod accepting;
mod bursts;
mod keeping;
mod layers;
mod listeners;
mod logins;
mod messages;
mod proxy;
mod rude;
mod rules;
mod stopping;
mod tls;
mod websocket;
