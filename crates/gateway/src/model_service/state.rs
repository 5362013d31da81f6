//! Which state of an object is served, decided without doing anything: what a look at the
//! object found, and what came of loading it, go in; what is to be done comes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::loaded::{Current, Loaded, Unfit};
use super::refusal::Refusal;
use super::source::{Mark, SourceError};

/// What is known of an object that is served as a model.
#[derive(Debug, Default)]
pub(crate) struct State {
    loaded: Option<Arc<Loaded>>,
    /// An object that came later and cannot be served; it is not loaded again.
    unfit: Option<(Mark, Unfit)>,
    /// Why it was not found when it was last looked for.
    absent: Option<Absent>,
    /// For the header of answers.
    trouble: Option<HeaderValue>,
    looked: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Absent {
    Gone,
    Unreachable(String),
}

/// What is to be done after a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Serve,
    Load,
}

impl State {
    pub fn is_fresh(&self, now: Instant, fresh: Duration) -> bool {
        let looked = self.looked;
        looked.is_some_and(|looked| now.saturating_duration_since(looked) < fresh)
    }

    /// What requests get.
    pub fn current(&self, place: &str) -> Result<Current, Refusal> {
        let place = || place.to_owned();
        if let Some(loaded) = &self.loaded {
            return Ok(Current {
                loaded: Arc::clone(loaded),
                trouble: self.trouble.clone(),
            });
        }
        Err(match (&self.unfit, &self.absent) {
            (_, Some(Absent::Unreachable(why))) => Refusal::Unreachable {
                place: place(),
                why: why.clone(),
            },
            (None, _) | (_, Some(Absent::Gone)) => Refusal::NoModel { place: place() },
            (Some((_, Unfit::NeedsR(why))), None) => Refusal::NeedsR {
                place: place(),
                why: why.clone(),
            },
            (Some((_, Unfit::Bad(why))), None) => Refusal::BadModel {
                place: place(),
                why: why.clone(),
            },
        })
    }

    pub fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// After a look at the object. If it is to be loaded, all is known only after that:
    /// until then nobody is told that there is none.
    pub fn looked(&mut self, found: Result<Option<Mark>, SourceError>, now: Instant) -> Step {
        let step = self.decide(found);
        if step == Step::Serve {
            self.looked = Some(now);
        }
        step
    }

    fn decide(&mut self, found: Result<Option<Mark>, SourceError>) -> Step {
        let mark = match found {
            Ok(Some(mark)) => mark,
            Ok(None) => {
                self.absent(Absent::Gone);
                return Step::Serve;
            }
            Err(error) => {
                self.absent(Absent::Unreachable(error.to_string()));
                return Step::Serve;
            }
        };
        self.absent = None;
        if self.loaded.as_ref().is_some_and(|it| it.mark == mark) {
            self.unfit = None;
            self.trouble = None;
            return Step::Serve;
        }
        match &self.unfit {
            Some((known, unfit)) if *known == mark => {
                self.trouble = told(unfit.why());
                Step::Serve
            }
            _ => Step::Load,
        }
    }

    /// After the object was read, whichever it was by then.
    pub fn read(&mut self, mark: Mark, read: Result<Loaded, Unfit>, now: Instant) {
        self.looked = Some(now);
        match read {
            Ok(loaded) => {
                self.loaded = Some(Arc::new(loaded));
                self.unfit = None;
                self.trouble = None;
            }
            Err(unfit) => {
                self.trouble = told(unfit.why());
                self.unfit = Some((mark, unfit));
            }
        }
    }

    /// After it could not be fetched, though it was there.
    pub fn lost(&mut self, error: Option<&SourceError>, now: Instant) {
        self.looked = Some(now);
        self.absent(match error {
            None => Absent::Gone,
            Some(error) => Absent::Unreachable(error.to_string()),
        });
    }

    fn absent(&mut self, absent: Absent) {
        self.trouble = match &absent {
            Absent::Gone => told("the object is gone"),
            Absent::Unreachable(why) => told(why),
        };
        self.absent = Some(absent);
    }
}

/// As far as it can stand in a header.
fn told(why: &str) -> Option<HeaderValue> {
    const LONGEST: usize = 300;
    let plain = why
        .chars()
        .map(|letter| match letter {
            ' '..='~' => letter,
            _ => '?',
        })
        .take(LONGEST);
    HeaderValue::from_str(&plain.collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(name: &str) -> Mark {
        Mark {
            version: name.into(),
            state: name.into(),
        }
    }

    #[test]
    fn what_is_not_there_is_told_and_looked_for_again() {
        let mut state = State::default();
        let now = Instant::now();
        let fresh = Duration::from_secs(1);
        assert!(!state.is_fresh(now, fresh));
        assert_eq!(state.looked(Ok(None), now), Step::Serve);
        assert!(state.is_fresh(now, fresh) && !state.is_fresh(now + fresh, fresh));
        let refusal = state.current("s3://b/k").unwrap_err();
        assert_eq!(refusal.to_string(), "there is no model at s3://b/k");
        let down = SourceError::Unreachable("no route".to_owned());
        assert_eq!(state.looked(Err(down), now), Step::Serve);
        let said = state.current("s3://b/k").unwrap_err().to_string();
        assert_eq!(said, "the model at s3://b/k cannot be fetched: no route");
        let later = now + 2 * fresh;
        assert_eq!(state.looked(Ok(Some(mark("a"))), later), Step::Load);
        // Who comes while it is loaded waits.
        assert!(!state.is_fresh(later, fresh));
        state.lost(None, later);
        assert!(state.is_fresh(later, fresh));
    }

    #[test]
    fn what_cannot_be_served_is_not_loaded_again() {
        let mut state = State::default();
        let now = Instant::now();
        let found = |name| Ok(Some(mark(name)));
        assert_eq!(state.looked(found("a"), now), Step::Load);
        state.read(
            mark("a"),
            Err(Unfit::NeedsR("f is unknown".to_owned())),
            now,
        );
        assert_eq!(state.looked(found("a"), now), Step::Serve);
        let said = state.current("x").unwrap_err();
        assert_eq!(
            said.to_string(),
            "the model at x cannot be used without R: f is unknown"
        );
        assert_eq!(said.status(), 501);
        assert_eq!(state.looked(found("b"), now), Step::Load);
        state.read(
            mark("b"),
            Err(Unfit::Bad("it is\nno model".to_owned())),
            now,
        );
        assert_eq!(state.trouble.as_ref().unwrap(), "it is?no model");
        assert_eq!(state.current("x").unwrap_err().status(), 503);
        // It was replaced again in the meantime.
        assert_eq!(state.looked(found("a"), now), Step::Load);
    }
}
