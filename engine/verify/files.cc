#include "engine/verify/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/index/format.h"
#include "engine/index/merged.h"
#include "engine/os/head_lock.h"
#include "engine/verify/meta.h"

namespace khipu::verify {
namespace {

struct KnownName {
  std::string_view name;
  os::EntryKind kind;
};
constexpr KnownName kRootNames[] = {
    {"LOCK", os::EntryKind::kFile},
    {"READERS", os::EntryKind::kFile},
    {"HEAD", os::EntryKind::kFile},
    {"checkpoints.log", os::EntryKind::kFile},
    {"checkpoint", os::EntryKind::kFile},
    {"meta", os::EntryKind::kDirectory},
    {"registry", os::EntryKind::kDirectory},
    {"logs", os::EntryKind::kDirectory},
    {"access", os::EntryKind::kDirectory},
    {"keys", os::EntryKind::kDirectory},
    {"idempotency.log", os::EntryKind::kFile},
    {"dlq", os::EntryKind::kDirectory},
    {"quarantine", os::EntryKind::kDirectory},
    {"ingest.sock", os::EntryKind::kOther},
    {"access.sock", os::EntryKind::kOther},
};

Finding unaccounted(std::string file, std::string detail) {
  Finding found;
  found.code = code::kFileUnaccounted;
  found.rank = Rank::kFiles;
  found.file = std::move(file);
  found.detail = std::move(detail);
  return found;
}

// What an index, a run of one or a merged file is called.
bool index_name(std::string_view name) {
  return index::parse_index_name(name) || index::parse_run_name(name) || index::parse_merged_name(name);
}

// Segments [0, this) must be there for such a file; a run needs none sealed but those in front of its own.
uint64_t sealed_for(std::string_view name) {
  if (const auto number = index::parse_index_name(name)) return number->value + 1;
  if (const auto run = index::parse_run_name(name)) return run->segment.value;
  return index::parse_merged_name(name)->last.value + 1;
}

class Planner {
 public:
  Planner(os::Directory& root, TableId id, const HeadState& head, Findings& findings)
      : root_(root), head_(head), findings_(findings) {
    plan_.id = id;
    plan_.root = &root;
    if (head.newest) table_ = &head.newest->tables[index_of(id)];
    if (head.newest) plan_.meta_rows = head.newest->tables[index_of(TableId::kMeta)].size;
  }

  Result<TablePlan> run() {
    auto directory = root_.open_directory(table_name(plan_.id));
    if (!directory.ok()) {
      if (directory.error().code != Code::kNotFound) return std::move(directory).error();
      Finding found;
      found.code = code::kTableMissing;
      found.table = plan_.id;
      found.file = table_name(plan_.id);
      found.detail = "the table's folder is not there";
      if (table_ != nullptr) found.expected = fmt::format("{} rows", table_->size);
      found.row = Row{};
      findings_.add(std::move(found));
      return std::move(plan_);
    }
    plan_.directory = std::move(directory).value();
    KHIPU_TRY(names());
    KHIPU_TRY_ASSIGN(manifest_, segment::read_manifest(*plan_.directory));
    plan_.sealed = manifest_.entries.size();
    check_manifest();
    make_jobs();
    plan_.manifest = std::move(manifest_.entries);
    return std::move(plan_);
  }

 private:
  std::string path(std::string_view name) const { return std::string(table_name(plan_.id)) + "/" + std::string(name); }

  Finding of_table(Finding finding) const {
    finding.table = plan_.id;
    return finding;
  }

  Result<void> names() {
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, plan_.directory->list());
    for (const os::Entry& entry : entries) {
      if (const auto number = segment::parse_segment_name(entry.name); number && entry.kind == os::EntryKind::kFile) {
        segments_[number->value] = entry.size;
      } else if (entry.name == segment::kTreeName && entry.kind == os::EntryKind::kDirectory) {
        KHIPU_TRY(tree_names());
      } else if (entry.kind == os::EntryKind::kFile && index::is_indexed(plan_.id) && index_name(entry.name)) {
        plan_.index_files.push_back(entry.name);
      } else if (!(entry.kind == os::EntryKind::kFile &&
                   (entry.name == segment::kManifestName || unfinished_index(entry.name)))) {
        findings_.add(of_table(unaccounted(path(clean(entry.name)), "nothing of the table accounts for this name")));
      }
    }
    return {};
  }

  // A crash while it was written: it is built again.
  bool unfinished_index(std::string_view name) const {
    if (!index::is_indexed(plan_.id) || !name.ends_with(index::kUnfinishedSuffix)) return false;
    name.remove_suffix(index::kUnfinishedSuffix.size());
    return index_name(name);
  }

  Result<void> tree_names() {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> tree, plan_.directory->open_directory(segment::kTreeName));
    KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, tree->list());
    for (const os::Entry& entry : entries) {
      const bool level = entry.name.size() == 1 && entry.name[0] >= '0' && entry.name[0] <= '7';
      if (level && entry.kind == os::EntryKind::kFile) continue;
      findings_.add(of_table(unaccounted(path("tree/" + clean(entry.name)), "not a level file")));
    }
    return {};
  }

  void manifest_finding(uint64_t entry, std::string detail, std::string expected, std::string actual,
                        const Place& where = KHIPU_HERE) {
    Finding found;
    found.code = code::kManifestMismatch;
    found.table = plan_.id;
    found.segment = SegmentNumber{entry};
    found.file = path(segment::kManifestName);
    found.offset = entry * segment::kManifestEntrySize;
    found.row = Row{rows_before(entry)};
    found.detail = std::move(detail);
    found.expected = std::move(expected);
    found.actual = std::move(actual);
    findings_.add(std::move(found), where);
  }
  uint64_t rows_before(uint64_t entry) const {
    if (entry == 0 || manifest_.entries.empty()) return 0;
    const segment::Footer& footer = manifest_.entries[std::min(entry, manifest_.entries.size()) - 1].footer;
    return footer.first_row.value + footer.rows;
  }

  void check_manifest() {
    uint64_t row = 0;
    for (size_t i = 0; i < manifest_.entries.size(); ++i) {
      const segment::ManifestEntry& entry = manifest_.entries[i];
      if (entry.number.value != i || entry.footer.first_row.value != row) {
        manifest_finding(i, "an entry that does not follow the one before it",
                         fmt::format("segment {} first row {}", i, row),
                         fmt::format("segment {} first row {}", entry.number.value, entry.footer.first_row.value));
        manifest_.entries.resize(i);
        return;
      }
      row += entry.footer.rows;
    }
    if (head_.writer_running && table_ != nullptr && manifest_.entries.size() > table_->manifest_entries) {
      manifest_.entries.resize(table_->manifest_entries);  // sealed since HEAD was read
      return;
    }
    const uint64_t promised = table_ == nullptr ? 0 : table_->manifest_entries;
    if (manifest_.damaged_at || manifest_.entries.size() < promised) {
      manifest_finding(manifest_.entries.size(), "an entry is damaged or missing",
                       fmt::format("{} entries", std::max<uint64_t>(promised, manifest_.entries.size() + 1)),
                       fmt::format("{} good entries in front of it", manifest_.entries.size()));
    } else if (manifest_.tail_size != 0 && !head_.writer_running) {
      Finding found;
      found.code = code::kUnacknowledgedTail;
      found.information = true;
      found.table = plan_.id;
      found.file = path(segment::kManifestName);
      found.offset = manifest_.entries.size() * segment::kManifestEntrySize;
      found.detail = fmt::format("{} bytes behind the last whole manifest entry", manifest_.tail_size);
      // Behind a manifest whose last entry was lost there must be no further segment (see make_jobs).
      findings_.add(std::move(found));
    }
  }

  void make_jobs() {
    uint64_t active = manifest_.entries.size();
    if (table_ != nullptr) active = std::max(active, table_->segment.value);
    // After damage to the manifest the files themselves say how many there are.
    if (manifest_.damaged_at || (table_ != nullptr && manifest_.entries.size() < table_->manifest_entries)) {
      for (const auto& [number, size] : segments_) {
        if (number < active + manifest_.tail_size / segment::kManifestEntrySize + 1) active = std::max(active, number);
      }
    }
    if (plan_.id == TableId::kLogs || table_ != nullptr || !segments_.empty()) {
      uint64_t number = 0;
      while (number < active) {
        add_job(number, true);
        // HEAD is not signed: of numbers that neither the manifest nor a file has, one stands for all up to the next.
        const bool known = number < manifest_.entries.size() || segments_.contains(number);
        const auto next = segments_.upper_bound(number);
        const uint64_t to = std::min(active, next == segments_.end() ? active : next->first);
        if (known || to == number + 1) {
          ++number;
          continue;
        }
        plan_.missing.back().detail = fmt::format("the files of segments {} to {} are not there", number, to - 1);
        number = to;
      }
      add_job(active, false);
    }
    for (const auto& [number, size] : segments_) {
      if (number <= active || head_.writer_running) continue;
      Finding found;
      found.code = code::kSegmentExtra;
      found.table = plan_.id;
      found.segment = SegmentNumber{number};
      found.file = segment_path(plan_.id, SegmentNumber{number});
      found.row = Row{UINT64_MAX};
      found.detail = "a segment behind the active one: neither the manifest nor HEAD accounts for it";
      findings_.add(std::move(found));
    }
    plan_.tree_synced = rows_before(manifest_.entries.size());
    if (table_ != nullptr) plan_.tree_synced = std::max(plan_.tree_synced, table_->tree_synced);
  }

  void add_job(uint64_t number, bool sealed) {
    SegmentJob job;
    job.table = plan_.id;
    job.number = SegmentNumber{number};
    job.sealed = sealed;
    const bool in_manifest = number < manifest_.entries.size();
    if (in_manifest) {
      job.entry = manifest_.entries[number];
      job.first_row = job.entry->footer.first_row;
    } else if (number == manifest_.entries.size()) {
      job.first_row = Row{rows_before(number)};
    }
    if (!sealed && table_ != nullptr && table_->segment.value == number) {
      job.first_row = table_->segment_first_row;
      job.solid_end = table_->end_offset;
      job.solid_rows = table_->size - std::min(table_->size, table_->segment_first_row.value);
      if (head_.writer_running) job.end_max = table_->end_offset;
    }
    const auto file = segments_.find(number);
    if (file != segments_.end()) job.file_size = file->second;
    const bool needed = sealed || job.solid_end > segment::kHeaderSize;
    if (file == segments_.end()) {
      if (!needed) return;  // an active segment without rows may not have reached the disk
      Finding found;
      found.code = code::kSegmentMissing;
      found.table = plan_.id;
      found.segment = job.number;
      found.file = segment_path(plan_.id, job.number);
      if (job.first_row) found.row = *job.first_row;
      const uint64_t rows = job.rows();
      if (job.first_row && rows > 1) found.row_end = Row{job.first_row->value + rows};
      found.expected = fmt::format("{} rows", rows);
      found.detail = "the segment's file is not there, and no RETENTION statement says why";
      if (job.first_row && job.first_row->value > 0) found.last_good = {Row{job.first_row->value - 1}, std::nullopt};
      if (found.row_end) found.next_good = found.row_end;
      plan_.missing.push_back(std::move(found));
    } else {
      plan_.bytes += std::min(file->second, job.end_max);
    }
    plan_.jobs.push_back(std::move(job));
  }

  os::Directory& root_;
  const HeadState& head_;
  Findings& findings_;
  const segment::HeadTable* table_ = nullptr;
  segment::Manifest manifest_;
  std::map<uint64_t, uint64_t> segments_;  // number -> size
  TablePlan plan_;
};

}  // namespace

Result<HeadState> read_head_state(os::Directory& root, Findings& findings) {
  HeadState state;
  // Asked before and after: a writer that starts or ends between the two counts as running.
  KHIPU_TRY_ASSIGN(const bool before, os::head_kept(root));
  KHIPU_TRY_ASSIGN(const std::optional<os::Entry> entry, root.stat(segment::kHeadName));
  const bool file = entry && entry->kind == os::EntryKind::kFile;
  if (file) {
    KHIPU_TRY_ASSIGN(state.slots, segment::read_head(root));
  }
  state.newest = segment::newest(state.slots);
  KHIPU_TRY_ASSIGN(const bool after, os::head_kept(root));
  state.writer_running = before || after;
  if (state.newest) return state;
  Finding found;
  found.code = code::kHeadMissing;
  found.rank = Rank::kHead;
  found.file = segment::kHeadName;
  // Torn slots are what a power loss may leave (HEAD is not synced with each commit); the file itself is made by init.
  found.information = file;
  found.detail = file    ? "neither slot of HEAD is whole: the newest commit is searched in logs/"
                 : entry ? "HEAD is not a regular file"
                         : "HEAD is not there";
  findings.add(std::move(found));
  return state;
}

Result<TablePlan> plan_table(os::Directory& root, TableId id, const HeadState& head, Findings& findings) {
  return at(table_name(id), Planner(root, id, head, findings).run());
}

std::optional<Error> gone_since(const TablePlan& plan, const SegmentJob& job) {
  if (!job.file_size || job.let_go || (plan.id != TableId::kLogs && plan.id != TableId::kAccess)) return std::nullopt;
  bool let_go = false;
  const Result<void> read = each_statement_since(*plan.root, plan.meta_rows, [&](const codec::StatementRecord& record) {
    const auto* retention = std::get_if<codec::Retention>(&record.body);
    let_go = retention != nullptr && retention->table == plan.id && retention->first_segment <= job.number &&
             job.number <= retention->last_segment;
    return !let_go;
  });
  if (!read.ok() || !let_go) return std::nullopt;
  return Error{Code::kPurged, segment_path(plan.id, job.number) + ": let go while it was to be read: run it again"};
}

Result<SegmentFacts> judge_gone(const TablePlan& plan, const SegmentJob& job, Result<SegmentFacts> facts) {
  if (!facts.ok() || facts->there || facts->let_go || !job.file_size) return facts;
  if (std::optional<Error> gone = gone_since(plan, job)) return std::move(*gone);
  Finding found;
  found.code = code::kSegmentMissing;
  found.table = plan.id;
  found.segment = job.number;
  found.file = segment_path(plan.id, job.number);
  found.row = job.first_row;
  found.detail = "the segment's file went while it was to be read, and no RETENTION statement says why";
  facts->findings.add(std::move(found));
  return facts;
}

void check_index_names(const TablePlan& plan, const std::vector<codec::StatementRecord>& statements,
                       bool writer_running, Findings& findings) {
  std::set<std::string_view> named;
  for (const codec::StatementRecord& statement : statements) {
    const auto* const index = std::get_if<codec::IndexStatement>(&statement.body);
    if (index != nullptr && index->table == plan.id) named.insert(index->file);
  }
  for (const std::string& name : plan.index_files) {
    const bool may_be_new = sealed_for(name) <= plan.sealed;
    if (named.contains(name) || (may_be_new && writer_running)) continue;
    Finding found = unaccounted(std::string(table_name(plan.id)) + "/" + name,
                                may_be_new ? "no INDEX statement names this index: built just before a crash, or put "
                                             "here by somebody; no reader opens it"
                                           : "no INDEX statement names this index, and its segments are not sealed");
    found.table = plan.id;
    found.information = may_be_new;
    findings.add(std::move(found));
  }
}

Result<void> check_root_names(os::Directory& root, Findings& findings) {
  KHIPU_TRY_ASSIGN(const std::vector<os::Entry> entries, root.list());
  for (const os::Entry& entry : entries) {
    const auto known = std::find_if(std::begin(kRootNames), std::end(kRootNames),
                                    [&](const KnownName& item) { return item.name == entry.name; });
    if (known != std::end(kRootNames) && known->kind == entry.kind) continue;
    // NAME.new: the first half of an atomic replacement, between two moments or left there by a crash.
    const std::string_view name = entry.name;
    const bool replacement = name.ends_with(".new") && entry.kind == os::EntryKind::kFile &&
                             std::any_of(std::begin(kRootNames), std::end(kRootNames), [&](const KnownName& item) {
                               return item.kind == os::EntryKind::kFile && item.name == name.substr(0, name.size() - 4);
                             });
    Finding found = unaccounted(clean(name), known != std::end(kRootNames) ? "not the kind of file this name stands for"
                                                                           : "nothing accounts for this name");
    if (replacement) {
      found.information = true;
      found.detail = "a replacement that a crash interrupted, or that a running writer is making now";
    }
    findings.add(std::move(found));
  }
  return {};
}

bool Folder::holds(std::string_view name) const {
  return std::any_of(entries.begin(), entries.end(), [&](const os::Entry& entry) { return entry.name == name; });
}

Result<Folder> list_folder(os::Directory& root, std::string_view name) {
  Folder folder;
  auto opened = root.open_directory(name);
  if (!opened.ok()) {
    if (opened.error().code != Code::kNotFound) return std::move(opened).error();
    return folder;
  }
  folder.directory = std::move(opened).value();
  KHIPU_TRY_ASSIGN(folder.entries, folder.directory->list());
  return folder;
}

}  // namespace khipu::verify
