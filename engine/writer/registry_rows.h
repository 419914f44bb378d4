// What the writer reads of sealed segments of registry/ instead of replaying them: at the start, from each one's index,
// which entities it has versions of; later, single versions as entities come to be named. An index counts only as its
// INDEX statement says, block by block; a version as far as its CRC, like one that is replayed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "engine/codec/statement.h"
#include "engine/index/reader.h"
#include "engine/os/file.h"
#include "engine/writer/recovery.h"

namespace khipu::writer {

// Owner: the writer's thread.
class RegistryRows {
 public:
  static Result<std::unique_ptr<RegistryRows>> open(os::Directory& root);

  // Calls `visit(key, entity, newest)` for each entity with versions in the segment: its index::name_term, the
  // row of its first version and that of its newest here. False: the index cannot be used, nothing was visited and the
  // segment wants replay. read() knows the segment's rows from then on.
  using Visit = std::function<void(std::string_view key, Row entity, Row newest)>;
  // `segment`: the rows of the index, a run's too; `file_first`: the first row of the segment they are in.
  Result<bool> add(const SegmentRows& segment, Row file_first, const codec::IndexStatement& statement,
                   const Visit& visit);

  // The payload of a row of a segment that was added. kCorrupt when it cannot be read.
  Result<Buffer> read(Row row);

 private:
  struct Segment {
    SegmentRows rows;
    Row file_first;
    std::unique_ptr<index::Reader> index;  // open from the start: a run's file goes when its segment is indexed
    std::vector<uint64_t> walked;          // places from file_first on, once the index could not be asked
    std::unique_ptr<os::File> file;
  };
  static Result<uint64_t> place_of(Segment& segment, Row row);
  Result<std::unique_ptr<index::Reader>> open_index(const SegmentRows& rows, const codec::IndexStatement& statement);

  std::unique_ptr<os::Directory> directory_;
  std::map<uint64_t, Segment> segments_;  // by first row
};

}  // namespace khipu::writer
