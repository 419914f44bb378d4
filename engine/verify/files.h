// Which files a root has, which it should have, and what each segment must hold according to manifest and HEAD. Reads
// directories, manifests and HEAD; opens no segment.
#pragma once

#include <memory>
#include <vector>

#include "engine/os/file.h"
#include "engine/segment/reader.h"
#include "engine/verify/report.h"
#include "engine/verify/segment_check.h"

namespace khipu::verify {

struct HeadState {
  std::array<std::optional<segment::Head>, 2> slots;
  std::optional<segment::Head> newest;
  // One that keeps HEAD (os::head_kept) when it was read, or later: what lies above HEAD is not judged.
  bool writer_running = false;
};
// HEAD first: everything it names is durable and stays as it is, whatever a writer does meanwhile.
Result<HeadState> read_head_state(os::Directory& root, Findings& findings);

struct TablePlan {
  TableId id = TableId::kMeta;
  std::unique_ptr<os::Directory> directory;  // null: the folder is missing
  std::vector<SegmentJob> jobs;              // in order of number, missing files included
  std::vector<Finding> missing;  // segment files that are not there: whether a RETENTION explains it is seen later
  std::vector<segment::ManifestEntry> manifest;
  uint64_t tree_synced = 0;
  uint64_t bytes = 0;                    // to be read
  std::vector<std::string> index_files;  // names that an index has, finished ones
  uint64_t sealed = 0;                   // segments that the manifest held after those were listed
  os::Directory* root = nullptr;         // and how many rows of meta/ HEAD covered when this plan was made
  uint64_t meta_rows = 0;
};
// A segment's file that was listed and is not there any more: kPurged when a RETENTION let it go meanwhile. Such a run
// is incomplete: whether the statement may stand is seen by the next one.
std::optional<Error> gone_since(const TablePlan& plan, const SegmentJob& job);
// What check_segment() said of the job, when its file was listed and went: that error, or the finding that nothing says
// why.
Result<SegmentFacts> judge_gone(const TablePlan& plan, const SegmentJob& job, Result<SegmentFacts> facts);
// Errors: what cannot be read (not: what is wrong).
Result<TablePlan> plan_table(os::Directory& root, TableId id, const HeadState& head, Findings& findings);

// Index files that no INDEX statement names. One that may have been built just before a crash, of a sealed segment or a
// run of the active one, is information; beside a running writer it is not spoken of: its statement may come next.
void check_index_names(const TablePlan& plan, const std::vector<codec::StatementRecord>& statements,
                       bool writer_running, Findings& findings);

// A folder beside the tables, and what is in it. A missing one holds nothing.
struct Folder {
  std::unique_ptr<os::Directory> directory;  // null: missing
  std::vector<os::Entry> entries;
  bool holds(std::string_view name) const;
};
Result<Folder> list_folder(os::Directory& root, std::string_view name);

// Names nobody accounts for, at the top of the root.
Result<void> check_root_names(os::Directory& root, Findings& findings);

}  // namespace khipu::verify
