"""The workbench.toml that `init` writes: every key there is, with its default, and a word on what it does.

What stands behind # is so without being said. A test holds names and values against the sections.
"""

TEMPLATE = """\
# Written by `init` from {data}. What stands behind # is so anyhow, or an example where nothing is so by default.
# Every key can also be set as WORKBENCH_<SECTION>__<KEY> in the environment. The README says more of each section, and
# docs/operations.md of [service].

[model]
name     = "{name}"
task     = "{task}"{task_note}
target   = "{target}"
data     = "{data}"   # a CSV or Parquet file (relative to this folder), or "module:function"
{time}
# features = [{features}]   # default: every other column
# key      = ["COLUMN"]   # what tells rows apart: of rows with the same, the last one counts
ensemble = "voting"   # a vote of members; or "module:function" returning a scikit-learn estimator
# members  = ["linear", "forest", "boosting"]   # also extra_trees, gradient_boosting, or "module:function"
# size     = 1.0      # the share of their trees and steps that members have

[monitor]
window        = 1000      # predictions every statistic looks at
history       = 100000    # predictions kept on disk, so that late actuals can be joined
check_every_s = 30        # how often the maintainer looks
false_alarm_rate = 0.01   # false alarms that a full window of new predictions may bring, over all checks of it
# max_response_s = 1.0    # a mean response time above it is an alarm
# max_failed   = 0.05     # ... and so is a larger share of requests that failed
# period       = "7D"     # of figures over time
# fsync        = "never"  # what a power loss may take: with "always" nothing, with "1s" what is younger
# segment_rows = 5000     # lines a file of records has

[store]
# COLUMN = "hashed"       # kept out of every stored file: as a keyed hash, a category; or "none": taken, not kept

[drift]                   # smaller moves of an input are no drift, however sure
min_mean_shift = 0.1      # of the mean, in standard deviations of the reference
min_std_ratio  = 1.15     # of the standard deviation: this ratio, or its inverse
# min_distance = 0.1      # of the distribution: Jensen-Shannon distance
# min_missing_shift = 0.05   # of the share of missing values
# min_outside_share = 0.02   # values out of the range, or of categories, that were learnt
# min_auc      = 0.6      # of a classifier that tells the window from the reference
# min_impact   = 0.01     # of what the move does to predictions
# min_refused_share = 0.05   # of requests whose rows do not fit (422): broken data

[performance]
# metric  = "{metric}"    # the metric that decides
# watch   = ["METRIC"]    # judged beside it
# own     = ["neg_median_absolute_error"]   # metrics of your own: scikit-learn scorers, or "module:function"
min_loss  = 0.1           # a smaller loss is no alarm, however sure: a share of the version's own holdout value
# min_estimated_loss = 0.1   # the same where it is estimated without actuals
# mature_quantile = 0.95  # predictions are judged once this share of actuals would have come
# segment = "COLUMN"      # a categorical feature: metrics by segment, the worst first

[retrain]
automatic     = true      # retrain when an alarm of `triggers` stands
# triggers    = ["performance", "estimate", "drift", "model", "response_time", "failures", "recovery"]
# every_days  = 30        # also without an alarm
# virtual_drift = true    # drift of inputs is a reason although actuals show no loss
# checks_in_a_row = 2     # so often an alarm has to stand
cooldown_s    = 21600     # at least six hours between attempts
# max_attempts_a_day = 4
min_new_rows  = 700       # labelled predictions to learn from, at least
# attempt_cost = 400      # a loss has to have cost as much as so many predictions twice as bad as the holdout's
recipes       = ["recent", "everything"]   # candidates: the last days, all rows, or "decay": weights that halve
# recent_days = 60
# half_life_days = 30     # of "decay"
# ensembles   = ["voting", "module:function"]   # compete, too; default: that of [model]
past_versions = 8         # versions that were live before compete, too: an old world may come back
# refit       = false     # the winner learns all rows before it goes live; then it is not itself gated
# holdout_share = 0.2     # of the rows, by which a first version is measured
# select_rows = 300       # rows on which candidates compete
# gate_rows   = 400       # newer ones, on which the winner meets the live version
# gate_min_rows = 300     # with fewer, nobody can tell
# gate_margin = 0.0       # by which a challenger has to win, in units of the metric
# max_row_ms  = 5         # limits that no advantage outweighs: time a row,
# max_artifact_mb = 500   # ... size on the disk,
# max_segment_loss = 0.25 # ... and loss in the worst segment
# max_level_loss = 0.25   # a version that went live worse by so much is tried to be won back ("recovery")
# labelled_rows = 1000000 # labelled predictions kept to learn from
# keep_versions = 20      # the newest ones, which `prune` spares
# threads     = 1         # of a retrain
# seed        = 0

[probation]
rows    = 500             # predictions for which a new version is watched beside the one before
minutes = 60              # ... or so long, whichever is over first; what is worse is rolled back by itself
# max_failed   = 0.02     # as many more requests that fail, as a share
# max_slowdown = 2.0      # times the p95 of before
# max_shift    = 1.0      # of its outputs, in standard deviations

[alerts]
# webhook = "https://..." # is told, as JSON, when an alarm begins and when it ends; better kept in the environment
# timeout_s = 10
# give_up_after_s = 3600

[metrics]                 # several machines share records and pointer; without a url they lie in metrics/ alone
# url = "postgresql://workbench@db.example/models"   # the password: PGPASSWORD, or libpq's passfile
# schema_name  = "workbench"
# ship_every_s = 0.5

[service]
port    = 8000
workers = 1
# host  = "127.0.0.1"     # for other machines it takes a predict token, or allow_open = true
# allow_open = false      # whoever reaches the service may ask
# predict_token_file = "apps.token"   # 0600, one line: asked for by /predict, /feedback and /v2
# allowed_hosts = ["127.0.0.1", "localhost", "[::1]"]   # in the Host header; "*.example.org" for all below
# proxies = []            # whose X-Forwarded-For is believed
# tls_cert = "cert.pem"   # PEM files
# tls_key  = "key.pem"
# token_failures = 10     # wrong tokens a minute and address
# max_rows = 10000        # of a request; more is a 413
# max_body_mb = 32        # 413
# max_text = 1000         # characters of a text; 422
# max_depth = 20          # lists and objects in each other; 422
# max_headers = 100       # 431
# max_head_kb = 32        # 431
# head_timeout_s = 10     # 408
# body_timeout_s = 30     # 408
# max_connections = 800   # of a worker; 503
# max_busy = 64           # requests under way in a worker; 503
# aside_limit_s = 300     # what a what-if may take
# drain_s = 10            # told to end, a worker answers for so long what is under way
# heartbeat_s = 5         # how often a worker tells how it is
# log = "text"            # or "json"
# access_log = false      # a line a request

[pages]
# host = "127.0.0.1"      # for other machines the dashboard asks for a viewer's token
# dashboard_port = 8866
# lab_port  = 8888
# refresh_s = 2

[replay]                  # the traffic that `replay` sends
# data       = "later.csv"   # its rows carry the target, which follows as an actual
# rows_per_s = 200
# batch      = 40
# actual_delay = "1D"     # after how long

[backtest]                # the history that a policy is tried on; default: [model] data, and then what is on record
# data       = "history.csv"
# start      = "2026-01-01"   # rows before it train the first version;
# reference_share = 0.2   # ... or so many
# delay      = "1D"       # of actuals; or "observed", or a column
# period     = "7D"       # of figures, and of those who always retrain; default: a tenth of the time
# look_rows  = 200        # predictions between two looks of the maintainer; default: a fifth of the window
# ensemble   = 1.0        # the share of trees and steps that members keep, to be quicker
"""
