-- Predictions that had an actual when their records were deleted: what retrains learn from, whoever leads by then.
create table labelled (
    seq           bigint generated always as identity unique,
    prediction_id text collate "C" primary key,
    prediction    text not null,
    actual        text not null
);

-- Up to where evaluations have been thinned.
create table thinned (
    only_one    bool primary key default true check (only_one),
    recorded_at text collate "C" not null default '',
    id          text collate "C" not null default ''
);

insert into thinned default values;
