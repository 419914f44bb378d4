// A sample that two people draw alike: rank(seq) = SHA-256(seed + ":" + decimal seq), the n smallest ranks, told in
// ascending seq, with a digest of the population it was drawn from. With strata, each gives in proportion (largest
// remainder; ties to the larger stratum, then to the one seen first).
#pragma once

#include <functional>
#include <optional>

#include "engine/query/aggregate.h"

namespace khipu::query {

struct SampleRequest {
  Filter filter;
  uint32_t n = 25;
  std::string seed;  // empty: hex SHA-256 of the root in base64, the filter that ran as `words` says it, and n
  std::function<std::string(const Filter& applied)> words;
  std::optional<GroupKey> stratify_by;  // a key each event has one of: not time, target, target_type or flags
  std::string tz;                       // of hour_of_day and weekday
  std::stop_token stop;
};
struct Stratum {
  GroupValue value;
  bool unknown = false;  // the record that would say it failed its check
  uint64_t population = 0;
  uint64_t drawn = 0;
};
struct Sample {
  AsOf as_of;
  TimeUs server_time = 0;
  Filter applied;
  Coverage coverage;
  uint64_t population = 0;
  bool population_is_lower_bound = false;
  Hash population_digest{};  // SHA-256 of the matching seqs in ascending order, decimal, each with a line feed
  std::string seed;
  std::vector<Row> seqs;  // each stands up to the signed root; one that does not is in `unshown`
  std::vector<Row> unshown;
  std::vector<Stratum> strata;
  std::vector<Finding> findings;
  uint64_t findings_total = 0;
  std::vector<Note> notes;
};

}  // namespace khipu::query
