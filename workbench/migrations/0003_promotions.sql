-- The promotion log; its last line says what is live. Of two who switch at once one has the next generation.
create table promotions (
    generation   int primary key,
    version_id   text not null,
    previous     text,
    activated_at text collate "C" not null,
    by           text not null,
    reason       text not null
);
