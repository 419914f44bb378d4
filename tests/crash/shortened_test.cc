// Files that came back shorter or longer by a piece (REFERENCE section 5 #14 and #16): what was derived is made again,
// what was acknowledged and is gone is evidence, and what is half an entry is set aside.
#include <fmt/format.h>

#include "engine/segment/format.h"
#include "tests/crash/harness.h"
#include "tests/support/catch.h"

namespace khipu::tests {
namespace {

constexpr uint64_t kSegment = 1500;
constexpr size_t kHashSize = sizeof(Hash);

uint64_t size_of(CrashRig& rig, const std::string& path) { return rig.disk().read(path).size(); }

void cut(CrashRig& rig, const std::string& path, uint64_t bytes) {
  rig.disk().edit(path, [&](Buffer& content) { content.resize(content.size() - bytes); });
}

std::map<std::string, Buffer> everything(CrashRig& rig) {
  std::map<std::string, Buffer> files;
  for (const std::string& path : rig.disk().files()) {
    if (path.starts_with("root/logs/") || path.starts_with("root/registry/") || path.starts_with("root/meta/")) {
      files[path] = rig.disk().read(path);
    }
  }
  return files;
}

TEST_CASE("shortened: a tree file that lost what was not yet synced is rebuilt to the same root (#16)") {
  CrashRig rig;
  auto writer = rig.open();
  REQUIRE(writer.ok());
  for (int i = 0; i < 25; ++i) REQUIRE(rig.submit(**writer, fmt::format("e-{}", i)).ok());
  const segment::Head head = (*writer)->status().head;
  CrashRig after(rig.disk().clone(), 5);  // as it stood at that moment: nobody closed it
  after.remember(rig);
  const std::string tree = "root/logs/tree/0";
  const uint64_t synced = head.tables[index_of(TableId::kLogs)].tree_synced;
  REQUIRE(size_of(after, tree) == 25 * kHashSize);
  // Two entries and a half, or as much of that as no checkpoint has covered meanwhile.
  cut(after, tree, std::min<uint64_t>(2 * kHashSize + kHashSize / 2, (25 - synced) * kHashSize));
  auto opened = after.open();
  INFO((opened.ok() ? "" : opened.error().message));
  REQUIRE(opened.ok());
  CHECK((*opened)->status().head.tables[index_of(TableId::kLogs)].root == head.tables[index_of(TableId::kLogs)].root);
  REQUIRE((*opened)->close().ok());
  CHECK(size_of(after, tree) == 25 * kHashSize);
  CHECK(after.judge() == "");
}

TEST_CASE("shortened: a segment without its last record is evidence: refused, reported, and nothing is cut (#16)") {
  for (const char* table : {"logs", "registry"}) {
    CrashRig rig;
    REQUIRE(rig.life(6, 1 << 20).ok());
    const std::string path = std::string("root/") + table + "/seg-0000000000.log";
    cut(rig, path, 40);
    const auto before = everything(rig);
    const verify::Report report = rig.verify();
    INFO(describe(report));
    CHECK(report.verdict == verify::Verdict::kFail);
    CHECK(report.first_break.has_value());
    const auto opened = rig.open(1 << 20);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == Code::kCorrupt);
    CHECK(everything(rig) == before);
  }
}

TEST_CASE("shortened: half a manifest entry and half a frame at an end are set aside, and the log goes on (#14, #16)") {
  CrashRig rig;
  REQUIRE(rig.life(9, kSegment).ok());
  const std::string manifest = "root/logs/manifest";
  const uint64_t entries_size = size_of(rig, manifest);
  REQUIRE(entries_size >= segment::kManifestEntrySize);
  rig.disk().edit(manifest, [](Buffer& content) {
    const Buffer half(content.begin(), content.begin() + segment::kManifestEntrySize / 2);
    append(content, half);
  });
  std::string active;
  for (const std::string& path : rig.disk().files()) {
    if (path.starts_with("root/registry/seg-")) active = path;
  }
  rig.disk().edit(active, [](Buffer& content) { append(content, Buffer(33, 0x5A)); });
  const size_t files_before = rig.disk().files().size();
  const Result<void> lived = rig.life(2, kSegment);
  INFO((lived.ok() ? "" : lived.error().message));
  REQUIRE(lived.ok());
  CHECK(rig.judge() == "");
  size_t aside = 0;
  for (const std::string& path : rig.disk().files()) aside += path.starts_with("root/quarantine/") ? 1 : 0;
  CHECK(aside == 2);
  CHECK(rig.disk().files().size() > files_before);
}

}  // namespace
}  // namespace khipu::tests
