#include "engine/verify/report.h"

#include <algorithm>
#include <tuple>
#ifdef KHIPU_SABOTAGE
#include <cstdlib>
#include <fstream>
#endif

namespace khipu::verify {

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass: return "pass";
    case Verdict::kFail: return "fail";
    case Verdict::kIncomplete: return "incomplete";
  }
  return "incomplete";
}

bool order(const Finding& a, const Finding& b) {
  const auto key = [](const Finding& f) {
    const uint64_t row = f.row ? f.row->value : UINT64_MAX;
    const uint64_t segment = f.segment ? f.segment->value : UINT64_MAX;
    const size_t table = f.table ? index_of(*f.table) : kTableCount;
    return std::tuple(f.information, f.rank, table, row, segment, f.offset.value_or(UINT64_MAX), f.code,
                      std::string_view(f.file), std::string_view(f.detail), std::string_view(f.actual));
  };
  return key(a) < key(b);
}

void Findings::shrink(size_t to) {
  if (kept_.size() <= to) return;
  std::sort(kept_.begin(), kept_.end(), order);
  kept_.resize(to);
}

#ifdef KHIPU_SABOTAGE
bool switched_off(const Place& where, std::string_view code) {
  std::string_view file = where.file_name();
  file.remove_prefix(file.rfind('/') + 1);
  const std::string name = std::string(file) + ":" + std::to_string(where.line());
  if (const char* list = std::getenv("KHIPU_SABOTAGE_LIST")) {
    std::ofstream(list, std::ios::app) << name + " " + std::string(code) + "\n";
  }
  const char* off = std::getenv("KHIPU_SABOTAGE_OFF");
  return off != nullptr && name == off;
}
#endif

void Findings::add(Finding finding, const Place& where) {
  if (switched_off(where, finding.code)) return;
  ++counts_[std::string(finding.code)];
  ++total_;
  if (!finding.information) ++breaks_;
  kept_.push_back(std::move(finding));
  if (kept_.size() >= 8 * kFindingsMax) shrink(kFindingsMax);  // a ruined file has millions: keep the first
}

void Findings::merge(Findings other) {
  for (const auto& [code, count] : other.counts_) counts_[code] += count;
  breaks_ += other.breaks_;
  total_ += other.total_;
  std::move(other.kept_.begin(), other.kept_.end(), std::back_inserter(kept_));
  if (kept_.size() >= 8 * kFindingsMax) shrink(kFindingsMax);
}

std::vector<Finding> Findings::take() {
  std::sort(kept_.begin(), kept_.end(), order);
  shrink(kFindingsMax);
  return std::move(kept_);
}

std::string clean(std::string_view name) {
  constexpr size_t kNameMax = 80;
  std::string out(name.substr(0, kNameMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == '`') c = '?';
  }
  return name.size() > kNameMax ? out + "..." : out;
}

std::string short_hash(const Hash& hash) { return hex(Bytes(hash).first(8)) + "..."; }

}  // namespace khipu::verify
