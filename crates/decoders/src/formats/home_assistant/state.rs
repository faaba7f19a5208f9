//! States in all the envelopes in which Home Assistant or its users pass them on.
//!
//! Source: Home Assistant developer documentation, "WebSocket API", "REST API"; documentation, "Automation trigger variables".

use crate::decode::Problem;
use crate::json::{Node, Object};

/// The state of an entity.
pub(super) struct State<'n> {
    /// `entity_id`, as written.
    pub(super) entity: Option<&'n str>,
    /// Its value: nearly always a text.
    pub(super) value: &'n Node,
    /// What stands before the value's key in the body: `[1].data.new_state.`, or nothing.
    pub(super) place: String,
    /// The value's key: `state`, or the entity in `{"sensor.a": 21.5}`.
    pub(super) key: &'n str,
    /// The object that has the value, and what is said about it; `None` where there is none.
    object: Option<&'n Object>,
    /// The attributes of the state before, in a history that leaves them out.
    inherited: Option<&'n Node>,
    /// What is around it: the event's data, the event.
    around: Around<'n>,
}

/// What an event says about its state.
#[derive(Clone, Copy, Default)]
struct Around<'n> {
    entity: Option<&'n str>,
    context: Option<&'n Node>,
    time: Option<&'n Node>,
    /// The time is that of a state that was reported again, unchanged, and goes before `last_updated`.
    is_report: bool,
}

/// Why a JSON value is nothing of Home Assistant's.
const NOT_ONE: &str =
    "expected a state or event of Home Assistant (entity_id and state, or event_type), found";

/// How deep lists may lie in each other: the history API has a list for each entity.
const MAX_LISTS: usize = 2;

/// When a state was measured, the best first; the last are those of people's own templates.
const TIMES: [&str; 5] = ["last_updated", "last_changed", "last_reported", "timestamp", "time"];

impl<'n> State<'n> {
    /// A text among the attributes, or beside the state as people's templates have it.
    pub(super) fn attribute(&self, key: &str) -> Option<&'n str> {
        let attributes = self.member("attributes").or(self.inherited);
        let text = |node: &'n Node| node.as_str().map(str::trim).filter(|text| !text.is_empty());
        attributes
            .and_then(|attributes| attributes.get(key))
            .and_then(text)
            .or_else(|| self.member(key).and_then(text))
    }

    /// The entity's name for people; that of a history is said once.
    pub(super) fn friendly_name(&self) -> Option<&'n str> {
        self.attribute("friendly_name").filter(|_| self.inherited.is_none())
    }

    /// The unit, as written.
    pub(super) fn unit(&self) -> Option<&'n str> {
        self.attribute("unit_of_measurement").or_else(|| self.attribute("unit"))
    }

    /// What stands before the point of the entity.
    pub(super) fn domain(&self) -> &'n str {
        self.entity.and_then(|entity| entity.split_once('.')).map_or("", |(domain, _)| domain)
    }

    /// The id of the change; several entities that change at once share it.
    pub(super) fn context_id(&self) -> Option<&'n str> {
        let context = self.around.context.or_else(|| self.member("context"));
        context?.get("id")?.as_str().filter(|id| !id.is_empty())
    }

    /// When it was measured.
    pub(super) fn time(&self) -> Option<&'n Node> {
        let own = || TIMES.iter().find_map(|key| self.member(key));
        if self.around.is_report { self.around.time.or_else(own) } else { own().or(self.around.time) }
    }

    fn member(&self, key: &str) -> Option<&'n Node> {
        let node = &self.object?.get(key)?.node;
        (*node != Node::Null).then_some(node)
    }
}

/// The states of a body. What is none is a problem; what tells of none (another event, an entity that was taken away) is nothing.
pub(super) fn gather(body: &Node) -> Vec<Result<State<'_>, Problem>> {
    let mut gathered = Gathered { states: Vec::new(), lists: 0 };
    gathered.node(body, "", Around::default());
    gathered.states
}

struct Gathered<'n> {
    states: Vec<Result<State<'n>, Problem>>,
    /// How many lists are around.
    lists: usize,
}

impl<'n> Gathered<'n> {
    fn node(&mut self, node: &'n Node, place: &str, around: Around<'n>) {
        match node {
            Node::Object(object) => self.object(object, place, around),
            Node::List(items) if self.lists < MAX_LISTS => {
                self.lists += 1;
                self.list(items, place);
                self.lists -= 1;
            }
            other => self.refuse(place, other.kind()),
        }
    }

    /// A list of states or events, or of lists of states. In a history a state without a name is of the entity before.
    fn list(&mut self, items: &'n [Node], place: &str) {
        let begin = self.states.len();
        for (index, item) in items.iter().enumerate() {
            let before = self.states[begin..].last().and_then(|state| state.as_ref().ok());
            let before = before.map(|state| (state.entity, state.member("attributes").or(state.inherited)));
            let added = self.states.len();
            self.node(item, &format!("{}[{index}].", place.trim_end_matches('.')), Around::default());
            if let (Some((entity, attributes)), [Ok(state)]) = (before, &mut self.states[added..])
                && state.entity.is_none()
                && item.as_list().is_none()
            {
                (state.entity, state.inherited) = (entity, attributes);
            }
        }
    }

    /// Envelopes lie in each other in one order only, so that this ends after four.
    fn object(&mut self, object: &'n Object, place: &str, around: Around<'n>) {
        let member = |key: &str| object.get(key).map(|member| &member.node);
        let text = |key: &str| member(key).and_then(Node::as_str);
        match (text("type"), member("event"), member("result")) {
            (Some("event"), Some(event), _) if event.as_object().is_some() => {
                return self.event(event, &format!("{place}event."));
            }
            (Some("result"), _, Some(list @ Node::List(_))) => {
                return self.node(list, &format!("{place}result."), Around::default());
            }
            // `auth_ok`, `pong`, a result without states.
            (Some(_), ..) if member("state").is_none() && member("event_type").is_none() => return,
            _ => {}
        }
        if member("event_type").is_some() {
            return self.fired(object, place);
        }
        if let Some(Node::Object(trigger)) = member("trigger") {
            return self.change(trigger, &format!("{place}trigger."), around);
        }
        self.change(object, place, around);
    }

    fn event(&mut self, event: &'n Node, place: &str) {
        match event.as_object() {
            Some(object) if object.contains_key("event_type") => self.fired(object, place),
            _ => self.refuse(place, "another event"),
        }
    }

    /// An event: only two kinds are about states.
    fn fired(&mut self, event: &'n Object, place: &str) {
        let member = |key: &str| event.get(key).map(|member| &member.node);
        let is_report = match member("event_type").and_then(Node::as_str) {
            Some("state_changed") => false,
            Some("state_reported") => true,
            _ => return,
        };
        let place = format!("{place}data.");
        let Some(Node::Object(data)) = member("data") else { return self.refuse(&place, "no data") };
        let reported = data.get("last_reported").map(|member| &member.node).filter(|_| is_report);
        let time = reported.or_else(|| member("time_fired"));
        let around = Around { context: member("context"), time, is_report: reported.is_some(), entity: None };
        self.change(data, &place, around);
    }

    /// A state, or an object with the state before and the state after (`new_state` of an event, `to_state` of a trigger).
    fn change(&mut self, object: &'n Object, place: &str, around: Around<'n>) {
        let entity = object.get("entity_id").and_then(|member| member.node.as_str()).or(around.entity);
        let around = Around { entity, ..around };
        let after = ["new_state", "to_state"].into_iter().find_map(|key| object.get_key_value(key));
        let Some((key, member)) = after.or_else(|| object.get_key_value("state")) else {
            return self.entities(object, place);
        };
        match &member.node {
            // The entity was taken away.
            Node::Null => {}
            Node::Object(state) if after.is_some() => {
                let place = format!("{place}{key}.");
                match state.get_key_value("state") {
                    Some((key, member)) => self.add((state, key, &member.node), place, around),
                    None => self.refuse(&place, "no state"),
                }
            }
            value => self.add((object, key, value), place.to_owned(), around),
        }
    }

    fn add(
        &mut self,
        (object, key, value): (&'n Object, &'n str, &'n Node),
        place: String,
        around: Around<'n>,
    ) {
        let own = object.get("entity_id").and_then(|member| member.node.as_str());
        self.states.push(Ok(State {
            entity: own.or(around.entity),
            value,
            place,
            key,
            object: Some(object),
            inherited: None,
            around,
        }));
    }

    /// `{"sensor.a": "21.5", "sensor.b": {"state": "7", "attributes": {...}}}`: states by their entities.
    fn entities(&mut self, object: &'n Object, place: &str) {
        if !object.keys().any(|key| is_entity(key)) {
            return self.refuse(place, "an object without them");
        }
        for (key, member) in object.iter().filter(|(key, _)| is_entity(key)) {
            let around = Around { entity: Some(key.as_str()), ..Around::default() };
            match &member.node {
                Node::Object(state) => match state.get_key_value("state") {
                    Some((own, member)) => {
                        self.add((state, own, &member.node), format!("{place}{key}."), around);
                    }
                    None => self.refuse(&format!("{place}{key}."), "no state"),
                },
                value => self.states.push(Ok(State {
                    entity: around.entity,
                    value,
                    place: place.to_owned(),
                    key,
                    object: None,
                    inherited: None,
                    around,
                })),
            }
        }
    }

    fn refuse(&mut self, place: &str, found: &str) {
        let place = place.trim_end_matches('.');
        self.states.push(Err(Problem::new(place, format!("{NOT_ONE} {found}"))));
    }
}

/// `domain.object_id` (Home Assistant's `VALID_ENTITY_ID`): small letters, digits and underscores.
fn is_entity(key: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    key.len() <= 255 && key.split_once('.').is_some_and(|(domain, object)| is_word(domain) && is_word(object))
}
