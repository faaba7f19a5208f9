-- What a person has decided to lose, and why; it is resolved by that.
alter table dead_letter add column discarded text;
comment on column dead_letter.discarded is 'Why a person discarded it; null where it was resolved by being stored or sent, or is open.';
