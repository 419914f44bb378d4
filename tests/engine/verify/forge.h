// An attacker's workbench: finds frames in the files of a log on a fake disk and rewrites them as somebody would who
// knows the format but not the signing key.
#pragma once

#include <string>
#include <vector>

#include "engine/codec/frame.h"
#include "engine/codec/record.h"
#include "engine/tree/tree.h"
#include "tests/crash/harness.h"

namespace khipu::tests {

struct ForgedFrame {
  uint64_t offset = 0;
  uint8_t kind = 0;
  TimeUs time = 0;
  Buffer payload;
  uint64_t size() const { return codec::kFrameHeaderSize + payload.size(); }
};

std::string segment_file(TableId table, uint64_t number);  // "root/logs/seg-0000000000.log"
std::vector<ForgedFrame> frames_of(FakeDisk& disk, const std::string& path);
// Writes these frames behind the header: offsets are ignored.
void write_frames(FakeDisk& disk, const std::string& path, const std::vector<ForgedFrame>& frames);
// Row frames of the file, in order.
std::vector<ForgedFrame> rows_of(FakeDisk& disk, const std::string& path);
// Changes one byte of a row's content in a way that keeps the record decodable, checksum and all.
void rewrite_row(FakeDisk& disk, TableId table, uint64_t segment, size_t index);
// Writes all tree files anew from the records, as they now are.
void rewrite_tree(FakeDisk& disk, TableId table);

}  // namespace khipu::tests
