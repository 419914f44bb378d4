// DLQ entries: sealed with public keys alone, opened by a recipient, in their place only.
#include "engine/protect/parked.h"

#include "engine/protect/key_admin.h"
#include "tests/engine/protect/world.h"

namespace khipu::protect {
namespace {

DecryptRing ring_of(const crypto::Key& key) {
  DecryptRing ring;
  ring.keys.push_back(copy_of(key));
  return ring;
}

const ParkedPlace kHere = [] {
  ParkedPlace place{};
  place[0] = 1;
  return place;
}();

TEST_CASE("parked: a line that is set aside is read by each recipient and by nobody else") {
  World world;
  world.decrypts.push_back(make_key(crypto::KeyKind::kDecrypt, "regulator", 3, kDayOneUs, 0xA2));
  world.hand_out();
  const auto sealer = ParkedSealer::make(world.root, *load_recipients(*world.key_side), kNoonUs).value();
  const Buffer wrapped = sealer->wrapped();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{5000}}) {
    const std::string line(size, 'x');
    const Buffer sealed = sealer->seal(kHere, as_bytes(line)).value();
    CHECK(as_text(sealed).find("xxxx") == std::string_view::npos);
    for (const crypto::Key& key : world.decrypts) {
      const auto opened = ParkedOpener::make(world.root, ring_of(key)).value()->open(wrapped, kHere, sealed);
      REQUIRE(opened.ok());
      CHECK(opened->text() == line);
    }
  }
  const Buffer sealed = sealer->seal(kHere, as_bytes("a line")).value();
  CHECK(sealer->seal(kHere, as_bytes("a line")).value() != sealed);
  const crypto::Key other = make_key(crypto::KeyKind::kDecrypt, "auditors", 1, kDayOneUs, 0xA7);
  const auto stranger = ParkedOpener::make(world.root, ring_of(other)).value()->open(wrapped, kHere, sealed);
  CHECK(stranger.error().code == Code::kForbidden);
  CHECK(ParkedSealer::make(world.root, {}, kNoonUs).error().code == Code::kForbidden);
}

TEST_CASE("parked: an entry opens in its place, under its key and in its log only, and every changed bit is found") {
  World world;
  const auto recipients = load_recipients(*world.key_side).value();
  const auto sealer = ParkedSealer::make(world.root, recipients, kNoonUs).value();
  const auto another = ParkedSealer::make(world.root, recipients, kNoonUs).value();
  const Buffer wrapped = sealer->wrapped(), sealed = sealer->seal(kHere, as_bytes("a line")).value();
  const auto opener = ParkedOpener::make(world.root, ring_of(world.decrypts[0])).value();
  const auto refused = [&](Bytes key, const ParkedPlace& place, Bytes value) {
    const auto opened = opener->open(key, place, value);
    CHECK_FALSE(opened.ok());
    if (!opened.ok()) CHECK(opened.error().message.find("a line") == std::string::npos);
  };
  REQUIRE(opener->open(wrapped, kHere, sealed)->text() == "a line");
  refused(wrapped, ParkedPlace{}, sealed);
  refused(another->wrapped(), kHere, sealed);
  RootId other_root = world.root;
  other_root[0] ^= 1;
  CHECK_FALSE(ParkedOpener::make(other_root, ring_of(world.decrypts[0])).value()->open(wrapped, kHere, sealed).ok());
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Buffer changed = sealed;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    refused(wrapped, kHere, changed);
  }
  for (size_t size = 0; size < sealed.size(); ++size) refused(wrapped, kHere, Bytes(sealed).first(size));
  for (size_t bit = 0; bit < wrapped.size() * 8; ++bit) {
    Buffer changed = wrapped;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    refused(changed, kHere, sealed);
  }
  // A data key of the log is none of these, also when its file is put there.
  const auto writer = world.sealer();
  Buffer value;
  FieldPlace place;
  place.root = world.root;
  place.name = {"user", "email"};
  REQUIRE(writer->seal(place, as_bytes("x"), nullptr, value).ok());
  for (const std::string& path : world.disk.files()) {
    if (path.starts_with("root-keys/")) refused(world.disk.read(path), kHere, sealed);
  }
}

TEST_CASE("parked: recipients come from statements too, of each name the newest") {
  std::map<std::string, crypto::BoxPublicKey, std::less<>> stated;
  stated["auditors/1"][0] = 1;
  stated["auditors/12"][0] = 12;
  stated["auditors/2"][0] = 2;
  stated["b/7"][0] = 7;
  stated["nonsense"] = {};
  stated["c/x"] = {};
  stated["d/0"] = {};
  const std::vector<Recipient> newest = newest_recipients(stated);
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].name == "auditors");
  CHECK(newest[0].version == 12);
  CHECK(newest[0].key[0] == 12);
  CHECK(newest[1].name == "b");
}

}  // namespace
}  // namespace khipu::protect
