//! Logging in to an etcd that asks for users: a password becomes a token, which each call carries.

use super::client::Client;
use super::proto::{AuthenticateRequest, AuthenticateResponse};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

/// A user and its password.
pub(super) struct Login {
    name: String,
    password: String,
    /// As etcd gave it. It forgets tokens that are not used for some minutes, and all when it
    /// starts.
    token: Mutex<Option<MetadataValue<Ascii>>>,
}

impl Login {
    pub(super) fn new((name, password): (String, String)) -> Self {
        Self { name, password, token: Mutex::default() }
    }

    fn token(&self) -> MutexGuard<'_, Option<MetadataValue<Ascii>>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the token to a call. Asks for it first if there is none.
    pub(super) async fn sign<Q>(
        &self,
        client: &Client,
        call: &mut Request<Q>,
    ) -> Result<(), Status> {
        let known = self.token().clone();
        let token = match known {
            Some(token) => token,
            None => {
                let (name, password) = (self.name.clone(), self.password.clone());
                let request = Request::new(AuthenticateRequest { name, password });
                let answer: AuthenticateResponse =
                    client.call("/etcdserverpb.Auth/Authenticate", request).await?;
                let token = MetadataValue::try_from(answer.token)
                    .map_err(|_| Status::internal("the token can't be sent back"))?;
                self.token().insert(token).clone()
            }
        };
        call.metadata_mut().insert("token", token);
        Ok(())
    }

    /// After an error: the token may be one that etcd doesn't know any more.
    pub(super) fn failed(&self, status: &Status) {
        if status.message().contains("auth") {
            *self.token() = None;
        }
    }
}
