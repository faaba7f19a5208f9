-- Sent back, and neither stored nor failed again since.
alter table dead_letter add column sent_back boolean not null default false;
drop index dead_letter_replayed;
