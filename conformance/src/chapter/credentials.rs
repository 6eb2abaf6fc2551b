//! User name and password in CONNECT (sections 3.1.2.8, 3.1.2.9, 3.1.3.5).

use crate::context::Context;
use crate::outcome::Outcome;
use crate::packet::Connect;

super::tests! {
    a_user_name_without_its_flag_is_refused: v311 ["3.1.2-18"] v5 ["3.1.2-16"];
    a_user_name_flag_without_user_name_is_refused: v311 ["3.1.2-19"] v5 ["3.1.2-17"];
    a_password_without_its_flag_is_refused: v311 ["3.1.2-20"] v5 ["3.1.2-18"];
    a_password_flag_without_password_is_refused: v311 ["3.1.2-21"] v5 ["3.1.2-19"];
    a_password_without_user_name_is_refused: v311 ["3.1.2-22"] v5 [];
    an_ill_formed_user_name_is_refused: v311 ["3.1.3-11"] v5 ["3.1.3-12"];
}

fn field(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    crate::packet::string(&mut out, text.as_bytes());
    out
}

fn refused_with(context: &Context, flags: u8, tail: Vec<u8>) -> Outcome {
    let connect = Connect { flags: Some(flags), tail, ..Connect::new(context.version, &context.id()) };
    context.refused(&connect).map(drop)
}

fn a_user_name_without_its_flag_is_refused(context: &Context) -> Outcome {
    refused_with(context, 0x02, field("somebody"))
}

fn a_user_name_flag_without_user_name_is_refused(context: &Context) -> Outcome {
    refused_with(context, 0x82, Vec::new())
}

fn a_password_without_its_flag_is_refused(context: &Context) -> Outcome {
    refused_with(context, 0x82, [field("somebody"), field("secret")].concat())
}

fn a_password_flag_without_password_is_refused(context: &Context) -> Outcome {
    refused_with(context, 0xC2, field("somebody"))
}

fn a_password_without_user_name_is_refused(context: &Context) -> Outcome {
    refused_with(context, 0x42, field("secret"))
}

fn an_ill_formed_user_name_is_refused(context: &Context) -> Outcome {
    for name in [&b"a\xff"[..], b"a\xed\xa0\x80"] {
        let connect = Connect { user: Some(name.to_vec()), ..Connect::new(context.version, &context.id()) };
        context.refused(&connect)?;
    }
    Ok(())
}
