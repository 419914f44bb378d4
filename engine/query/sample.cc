// Engine::sample.
#include "engine/query/sample.h"

#include <algorithm>
#include <map>

#include "engine/crypto/hash.h"
#include "engine/query/canonical_json.h"
#include "engine/query/engine.h"
#include "engine/query/fields.h"
#include "engine/query/known_values.h"
#include "engine/query/pass.h"
#include "engine/query/tally.h"

namespace khipu::query {
namespace {

constexpr uint32_t kDrawnMax = 100;
constexpr size_t kStrataMax = 10000;

struct Ranked {
  Hash rank{};
  Row seq;
  bool operator<(const Ranked& other) const { return std::pair(rank, seq) < std::pair(other.rank, other.seq); }
};

// The n smallest ranks of one stratum: a heap with the largest on top.
struct Drawing {
  uint64_t population = 0;
  Row first_seq;
  std::vector<Ranked> smallest;
  void offer(const Ranked& ranked, uint32_t n) {
    if (population++ == 0) first_seq = ranked.seq;
    if (smallest.size() < n) {
      smallest.push_back(ranked);
      std::push_heap(smallest.begin(), smallest.end());
    } else if (ranked < smallest.front()) {
      std::pop_heap(smallest.begin(), smallest.end());
      smallest.back() = ranked;
      std::push_heap(smallest.begin(), smallest.end());
    }
  }
};

// How many each stratum gives: whole parts of n * population / all, then one more by the largest remainder.
std::vector<uint64_t> shares(const std::vector<Drawing*>& strata, uint64_t all, uint64_t n) {
  n = std::min(n, all);
  std::vector<uint64_t> shares(strata.size());
  std::vector<size_t> order(strata.size());
  uint64_t given = 0;
  for (size_t i = 0; i < strata.size(); ++i) {
    order[i] = i;
    shares[i] = n * strata[i]->population / all;
    given += shares[i];
  }
  const auto rest = [&](size_t i) { return n * strata[i]->population % all; };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(rest(b), strata[b]->population, strata[a]->first_seq) <
           std::tuple(rest(a), strata[a]->population, strata[b]->first_seq);
  });
  for (const size_t i : order) {
    if (given == n) break;
    ++shares[i];
    ++given;
  }
  return shares;
}

// The stratum of a checked row, in words.
GroupValue stratum_value(const EventRow& row, const GroupKey& key, Axis axis, const Zone& zone) {
  constexpr const char* kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  const LocalTime local = zone.local(axis == Axis::kOccurred ? row.occurred_at : row.recorded_at);
  GroupValue value;
  bool given = false;
  switch (key.by) {
    case GroupBy::kActor: value.text = row.actor.ref(); break;
    case GroupBy::kActorType: value.text = row.actor.type; break;
    case GroupBy::kAction: value.text = row.action; break;
    case GroupBy::kActionClass: value.text = codec::name(row.action_class); break;
    case GroupBy::kOutcome: value.text = codec::name(row.outcome); break;
    case GroupBy::kUrl: value.text = row.url; break;
    case GroupBy::kSource: value.text = row.source; break;
    case GroupBy::kSourceIp: value.text = row.source_ip; break;
    case GroupBy::kHourOfDay: value.text = std::to_string(local.time_of_day_us / (3600 * kMicrosPerSecond)); break;
    case GroupBy::kWeekday: value.text = kWeekdays[((days_from_civil(local.date) + 3) % 7 + 7) % 7]; break;
    default:
      for (const NamedOwnedValue& custom : row.custom) {
        if (custom.name != key.column) continue;
        value.text = comparable_text(custom.value.view());
        given = true;
      }
  }
  value.none = value.text.empty() && !given;
  return value;
}

}  // namespace

Answer<Sample> Engine::sample(const SampleRequest& request) {
  KHIPU_TRY(check_filter(request.filter));
  if (request.n == 0 || request.n > kDrawnMax) {
    return QueryError("INVALID_ARGUMENT", "n", std::to_string(request.n), "From 1 to 100.");
  }
  if (request.stratify_by) {
    switch (request.stratify_by->by) {
      case GroupBy::kTime:
      case GroupBy::kTarget:
      case GroupBy::kTargetType:
      case GroupBy::kFlags:
        return QueryError("INVALID_ARGUMENT", "stratify_by", name(*request.stratify_by),
                          "Strata do not overlap: use a key of which each event has one.");
      default: break;
    }
  }
  KHIPU_TRY_ASSIGN(const auto snapshot, store_.snapshot());
  KHIPU_TRY_ASSIGN(const Zone zone, Zone::find(request.tz));
  Sample out;
  out.server_time = now_();
  out.as_of = query::as_of(*snapshot);
  EventPage page;
  KHIPU_TRY_ASSIGN(const Matcher matcher, prepare(*snapshot, request.filter, out.as_of, page));
  out.applied = std::move(page.applied);
  redact(out.applied, snapshot->schema());
  out.coverage = page.coverage;
  out.notes = std::move(page.notes);
  const std::string words = request.words ? request.words(out.applied) : std::string();
  out.seed = request.seed;
  if (out.seed.empty()) {
    const std::string of = base64(out.as_of.root) + words + std::to_string(request.n);
    out.seed = hex(crypto::sha256(as_bytes(of)));
  }
  Tally::Plan plan;
  plan.axis = request.filter.axis;
  bool by_type = false;
  if (request.stratify_by) {
    plan.group_by = {*request.stratify_by};
    plan.columns = {0};
    by_type = request.stratify_by->by == GroupBy::kActorType;
    if (by_type) KHIPU_TRY(entities_.extend(*snapshot));
    if (request.stratify_by->by == GroupBy::kColumn) {
      const codec::ColumnSchema* column = snapshot->schema().column(request.stratify_by->column);
      if (column == nullptr) {
        return QueryError("UNKNOWN_FIELD", "stratify_by", request.stratify_by->column,
                          "The log has no custom column of that name.");
      }
      plan.columns = {column->id};
    }
  }
  Tally keys(std::move(plan), zone, entities_);
  keys.show_as(matcher);

  Findings findings;
  report_registry(request.filter, out.as_of, findings, by_type);
  Pass pass(*snapshot, matcher, out.as_of.tree_size, false, request.stop, findings);
  crypto::Sha256 digest;
  std::map<uint32_t, Drawing> strata;
  std::vector<Tuple> tuples;
  const std::string prefix = out.seed + ":";
  KHIPU_TRY(pass.run([&](Row seq, const codec::EventRecord& event) {
    const std::string line = std::to_string(seq.value) + "\n";
    digest.update(as_bytes(line));
    ++out.population;
    keys.read(event, tuples);
    const Hash rank = crypto::sha256(as_bytes(prefix), as_bytes(line).first(line.size() - 1));
    strata[tuples.front()[0]].offer({rank, seq}, request.n);
    return strata.size() <= kStrataMax;
  }));
  matcher.tell_met(out.notes);
  if (strata.size() > kStrataMax) {
    return QueryError("TOO_MANY_GROUPS", "stratify_by", "", "More than 10,000 strata: use a key with fewer values.");
  }
  out.population_digest = digest.finish();
  out.population_is_lower_bound = pass.damage;
  if (out.population == 0 && !pass.damage) {
    note_nearest_known(*snapshot, request.filter, entities_, out.as_of.registry_size, request.stop, out.notes);
  }

  std::vector<Drawing*> drawings;
  for (auto& [key, drawing] : strata) drawings.push_back(&drawing);
  const std::vector<uint64_t> share = shares(drawings, out.population, request.n);
  RecordReader reader(*snapshot, out.as_of.registry_size, findings);
  size_t i = 0;
  for (auto& [key, drawing] : strata) {
    std::sort(drawing.smallest.begin(), drawing.smallest.end());
    const uint64_t drawn = share[i++];
    for (uint64_t k = 0; k < drawn; ++k) {
      const Row seq = drawing.smallest[k].seq;
      KHIPU_TRY_ASSIGN(const std::optional<EventRow> row, reader.event(seq));  // P5
      (row ? out.seqs : out.unshown).push_back(seq);
    }
    if (!request.stratify_by) continue;
    Stratum stratum;
    stratum.population = drawing.population;
    stratum.drawn = drawn;
    KHIPU_TRY_ASSIGN(const std::optional<EventRow> first, reader.event(drawing.first_seq));
    stratum.unknown = !first || first->actor.missing;
    if (!stratum.unknown) {
      const GroupBy by = request.stratify_by->by;
      stratum.value = stratum_value(*first, *request.stratify_by, request.filter.axis, zone);
      const bool as_shown = matcher.masks() && (by == GroupBy::kUrl || by == GroupBy::kColumn);
      if (as_shown && key != 0) stratum.value.text = keys.values(0).text(key);
    }
    out.strata.push_back(std::move(stratum));
  }
  std::sort(out.seqs.begin(), out.seqs.end());
  std::sort(out.unshown.begin(), out.unshown.end());
  out.coverage.complete = out.coverage.complete && !pass.damage && out.unshown.empty();
  out.findings = findings.list();
  out.findings_total = findings.total();
  return out;
}

}  // namespace khipu::query
