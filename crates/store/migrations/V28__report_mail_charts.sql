-- Of mails that are still to be sent, beside their text; null where they have none.
alter table report add column html text;
-- by which the HTML names its pictures, and these, PNG, in the same order
alter table report add column image_ids text[];
alter table report add column images bytea[];
-- which the mails name, maybe by names for people, by the names of their platforms
alter table report add column devices text[];
alter table report add constraint report_images_check check (cardinality(image_ids) = cardinality(images));
