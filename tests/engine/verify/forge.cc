#include "tests/engine/verify/forge.h"

#include "engine/segment/format.h"

namespace khipu::tests {

std::string segment_file(TableId table, uint64_t number) {
  return std::string("root/") + table_name(table) + "/" + segment::segment_name({number});
}

std::vector<ForgedFrame> frames_of(FakeDisk& disk, const std::string& path) {
  const Buffer bytes = disk.read(path);
  std::vector<ForgedFrame> frames;
  for (uint64_t offset = segment::kHeaderSize; offset < bytes.size();) {
    const codec::ParsedFrame parsed = codec::parse_frame(Bytes(bytes).subspan(offset));
    if (parsed.fault != codec::FrameFault::kNone) break;
    frames.push_back({offset, parsed.frame.kind, parsed.frame.time_us,
                      Buffer(parsed.frame.payload.begin(), parsed.frame.payload.end())});
    offset += parsed.frame.size();
  }
  return frames;
}

void write_frames(FakeDisk& disk, const std::string& path, const std::vector<ForgedFrame>& frames) {
  Buffer bytes = disk.read(path);
  bytes.resize(segment::kHeaderSize);
  for (const ForgedFrame& frame : frames) codec::append_frame(bytes, frame.kind, frame.time, frame.payload);
  disk.put(path, bytes);
}

std::vector<ForgedFrame> rows_of(FakeDisk& disk, const std::string& path) {
  std::vector<ForgedFrame> rows;
  for (ForgedFrame& frame : frames_of(disk, path)) {
    if (codec::is_row(frame.kind)) rows.push_back(std::move(frame));
  }
  return rows;
}

void rewrite_row(FakeDisk& disk, TableId table, uint64_t segment, size_t index) {
  const std::string path = segment_file(table, segment);
  ForgedFrame row = rows_of(disk, path).at(index);
  row.payload[6] ^= 1;  // a byte of its uid: any value decodes
  Buffer frame;
  codec::append_frame(frame, row.kind, row.time, row.payload);
  disk.edit(path, [&](Buffer& bytes) {
    std::copy(frame.begin(), frame.end(), bytes.begin() + static_cast<ptrdiff_t>(row.offset));
  });
}

void rewrite_tree(FakeDisk& disk, TableId table) {
  std::vector<Hash> leaves;
  for (uint64_t number = 0; disk.exists(segment_file(table, number)); ++number) {
    for (const ForgedFrame& row : rows_of(disk, segment_file(table, number)))
      leaves.push_back(tree::leaf_hash(row.payload));
  }
  tree::Builder builder;
  std::array<std::vector<Hash>, tree::kLevelCount> levels;
  builder.append(leaves, levels);
  for (size_t level = 0; level < levels.size(); ++level) {
    const std::string path = std::string("root/") + table_name(table) + "/tree/" + segment::level_name(level);
    if (!disk.exists(path)) continue;
    const auto* bytes = reinterpret_cast<const uint8_t*>(levels[level].data());
    disk.put(path, Bytes(bytes, levels[level].size() * sizeof(Hash)));
  }
}

}  // namespace khipu::tests
