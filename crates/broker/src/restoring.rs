//! Bringing back what was kept, before the first client may connect.

use crate::event;
use darter_codec::record::{Change, Kept};
use darter_engine::{Effect, Shard};
use darter_store::Store;

/// Gives every shard what is its own, and lets the shards tell each other what they subscribe to.
pub(crate) fn restore(now: u64, kept: Kept, shards: &mut [Shard], stores: &mut [Box<dyn Store>]) {
    let Kept { sessions, wills, retained, last_session, last_stamp, last_serial } = kept;
    for shard in shards.iter_mut() {
        shard.restore_numbers(last_session, last_stamp, last_serial);
        for (message, stamp) in &retained {
            shard.restore_retained(message.clone(), *stamp);
        }
    }
    for session in sessions {
        owner(shards, &session.client).restore_session(now, session);
    }
    for (number, will) in wills {
        owner(shards, &will.client).restore_will(now, number, will);
    }
    while exchange(now, shards, stores) {}
    // Deadlines that passed while the server was away.
    shards.iter_mut().for_each(|shard| shard.handle_timeout(now));
}

fn owner<'a>(shards: &'a mut [Shard], client: &str) -> &'a mut Shard {
    let owner = usize::from(shards[0].owner(client));
    &mut shards[owner]
}

/// Hands on what shards have for each other. False when there was nothing.
fn exchange(now: u64, shards: &mut [Shard], stores: &mut [Box<dyn Store>]) -> bool {
    let mut any = false;
    let mut changes: Vec<Change> = Vec::new();
    for index in 0..shards.len() {
        let shard = &mut shards[index];
        if let Some(batch) = shard.take_batch(&mut changes) {
            any = true;
            if !changes.is_empty() {
                stores[index].submit(batch, &mut changes);
            }
            // Nobody is there who could take it for a promise.
            shard.handle_committed(now, batch.number);
        }
        while let Some(effect) = shards[index].poll_effect() {
            any = true;
            match effect {
                Effect::Peer { shard, item } => {
                    let from = u8::try_from(index).unwrap_or(u8::MAX);
                    shards[usize::from(shard)].handle_peer(now, from, item);
                }
                Effect::Event(event) => event::emit(&event, |_| None),
                Effect::Load { session, from, limit } => stores[index].load(session, from, limit),
                Effect::Authenticate { .. }
                | Effect::Continue { .. }
                | Effect::AuthenticateAnew { .. }
                | Effect::Move { .. }
                | Effect::Resume { .. }
                | Effect::Close { .. } => {}
            }
        }
    }
    any
}
