-- Records as they stand in the segments of the replicas: `line` is the very text, so that nothing is lost on the way.
-- `seq` grows in the order of commits: whoever writes records of a kind holds that kind's advisory lock until the end.
create table records (
    kind          text not null,
    seq           bigint generated always as identity,
    id            text collate "C" not null,
    recorded_at   text collate "C" not null,
    prediction_id text collate "C",
    replica       text not null,
    line          text not null,
    primary key (kind, id)
) partition by list (kind);

create table predictions partition of records for values in ('predictions');
create table actuals     partition of records for values in ('actuals');
create table refused     partition of records for values in ('refused');
create table service     partition of records for values in ('service');
create table evaluations partition of records for values in ('evaluations');
create table events      partition of records for values in ('events');

create index records_in_order on records (kind, recorded_at, id);
create index records_by_commit on records (kind, seq);
create index actuals_of_predictions on actuals (prediction_id);

-- How far each segment of a replica has been taken in; written together with its records.
create table shipped (
    segment    text primary key,
    kind       text not null,
    replica    text not null,
    bytes      bigint not null,
    shipped_at timestamptz not null default now()
);

-- Up to where records of a kind may be gone; `times` grows with each deletion, so that readers look again.
create table deletions (
    kind        text primary key,
    times       bigint not null,
    recorded_at text collate "C" not null,
    id          text collate "C" not null
);

insert into deletions
select kind, 0, '', ''
from unnest(array['predictions', 'actuals', 'refused', 'service', 'evaluations', 'events']) as kind;
