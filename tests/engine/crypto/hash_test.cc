#include "engine/crypto/hash.h"

#include <set>
#include <thread>

#include "engine/crypto/hash_lanes.h"
#include "engine/crypto/secret.h"
#include "tests/support/catch.h"

namespace khipu::crypto {
namespace {

Buffer counting(size_t size) {
  Buffer bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}

TEST_CASE("sha256: the examples of FIPS 180-4") {
  CHECK(hex(sha256(Bytes())) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(as_bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(sha256(Buffer(1000000, 'a'))) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: parts hash as if they lay one after another, wherever the cuts are") {
  const Buffer whole = counting(200);
  const Hash expected = sha256(whole);
  for (size_t cut = 0; cut <= whole.size(); cut += 7) {
    const Bytes first = Bytes(whole).first(cut);
    const Bytes second = Bytes(whole).subspan(cut);
    CHECK(sha256(first, second) == expected);
    CHECK(sha256({first, Bytes(), second}) == expected);
    Sha256 hasher;
    hasher.update(first);
    CHECK(hasher.so_far() == sha256(first));
    Sha256 moved = std::move(hasher);
    moved.update(second);
    CHECK(moved.finish() == expected);
    moved.update(whole);
    CHECK(moved.finish() == expected);  // used again
  }
}

TEST_CASE("sha256_pair: it is sha256 of prefix, left and right") {
  Hash left = sha256(as_bytes("left")), right = sha256(as_bytes("right"));
  for (int i = 0; i < 300; ++i) {
    const auto prefix = static_cast<uint8_t>(i);
    CHECK(sha256_pair(prefix, left, right) == sha256({Bytes(&prefix, 1), left, right}));
    left = std::exchange(right, sha256(left));
  }
}

TEST_CASE("Sha256Batch: every hash is sha256's, whatever the sizes and however many at once") {
  Buffer bytes(70000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31 + i / 256);
  const auto hashes_of = [](Sha256Batch& batch, const std::vector<Bytes>& messages) {
    std::vector<Hash> hashes(messages.size());
    const auto finish = [&](size_t end) { batch.finish(std::span(hashes).first(end).last(batch.count())); };
    for (size_t i = 0; i < messages.size(); ++i) {
      const auto prefix = static_cast<uint8_t>(i);
      if (batch.add(prefix, messages[i])) continue;
      finish(i);
      const bool added = batch.add(prefix, messages[i]);
      REQUIRE(added == (messages[i].size() < 32759));  // with prefix, mark and length 512 blocks
      if (!added) hashes[i] = sha256(Bytes(&prefix, 1), messages[i]);
    }
    finish(messages.size());
    CHECK(batch.count() == 0);
    return hashes;
  };
  std::vector<std::unique_ptr<Sha256Batch>> batches;
  batches.push_back(std::make_unique<Sha256Batch>());
  batches.push_back(std::make_unique<Sha256Batch>(nullptr));
  for (const LaneKernel& kernel : lane_kernels()) batches.push_back(std::make_unique<Sha256Batch>(&kernel));
  const auto check = [&](const std::vector<Bytes>& messages) {
    std::vector<Hash> expected;
    for (size_t i = 0; i < messages.size(); ++i) {
      const auto prefix = static_cast<uint8_t>(i);
      expected.push_back(sha256(Bytes(&prefix, 1), messages[i]));
    }
    for (size_t i = 0; i < batches.size(); ++i) {
      INFO("batch " << i);
      CHECK((hashes_of(*batches[i], messages) == expected));
    }
  };
  std::vector<Bytes> messages;
  for (size_t count = 0; count <= 40; ++count) {  // fewer and more than lanes
    check(messages);
    messages.push_back(Bytes(bytes).subspan(count, 7 * count));
  }
  messages.clear();
  for (size_t size = 0; size <= 300; ++size) messages.push_back(Bytes(bytes).subspan(size % 64, size));
  for (const size_t size : {4000, 8192, 16384, 32757, 32758, 32759, 32760, 65535, 65536, 70000, 1}) {
    messages.push_back(Bytes(bytes).first(size));
  }
  messages.emplace_back();
  for (size_t i = 0; i < 100; ++i) messages.push_back(Bytes(bytes).subspan(i, 3000));  // more than it has room for
  check(messages);
  check(std::vector<Bytes>(600, Bytes(bytes).first(300)));
  check(std::vector<Bytes>(40, Bytes(bytes).first(16384)));
}

TEST_CASE("sha256_pairs: every parent is sha256_pair's, however many at once") {
  std::vector<Hash> children(2 * 300);
  for (size_t i = 0; i < children.size(); ++i) children[i] = sha256(Bytes(reinterpret_cast<const uint8_t*>(&i), 8));
  for (size_t count = 0; count <= 300; count += count < 40 ? 1 : 13) {
    const std::span<const Hash> these = std::span(children).first(2 * count);
    std::vector<Hash> expected;
    for (size_t i = 0; i < count; ++i) expected.push_back(sha256_pair(1, these[2 * i], these[2 * i + 1]));
    std::vector<Hash> parents(count);
    sha256_pairs(1, these, parents);
    CHECK((parents == expected));
    for (const LaneKernel& kernel : lane_kernels()) {
      INFO(kernel.name);
      std::vector<Hash> in_lanes(count);
      sha256_pairs(kernel, 1, these, in_lanes);
      CHECK((in_lanes == expected));
    }
  }
}

TEST_CASE("sha256: threads do not disturb each other") {
  const Hash expected = sha256(as_bytes("abc"));
  std::vector<std::thread> threads;
  std::array<int, 4> wrong{};
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) count += sha256(as_bytes("a"), as_bytes("bc")) == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::array<int, 4>{});
}

TEST_CASE("blake2b: RFC 7693 appendix A and the reference implementation's keyed vectors") {
  CHECK(hex(blake2b({}, as_bytes("abc"), 64)) ==
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  CHECK(hex(blake2b(counting(64), {}, 64)) ==
        "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
        "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568");
  CHECK(hex(blake2b(counting(64), counting(255), 64)) ==
        "142709d62e28fcccd0af97fad0f8465b971e82201dc51070faa0372aa43e9248"
        "4be1c1e73ba10906d5d1853db6a4106e0a7bf9800d373d6dee2d46d62ef2a461");
}

TEST_CASE("blake2b_keyed: lengths keep parts apart, and label and key count") {
  const Buffer key = counting(32);
  const auto token = [&](std::string_view label, std::string_view one, std::string_view two) {
    return hex(blake2b_keyed(key, label, {as_bytes(one), as_bytes(two)}));
  };
  // From an independent implementation: Python's hashlib over the same framing.
  CHECK(token("label", "ab", "c") == "11784a7f0df9ed68c756c54fb86d9c98c59ef7b3933eebd089743e6eea79f0a1");
  CHECK(token("label", "a", "bc") == "767134f227f04353372602e22e3f58ad39ed6668bd2ee33a248cf435aa3091e0");
  const std::set<std::string> all = {token("label", "ab", "c"),
                                     token("label", "abc", ""),
                                     token("label", "", "abc"),
                                     token("other", "ab", "c"),
                                     hex(blake2b_keyed(key, "label", {as_bytes("abc")})),
                                     hex(blake2b_keyed(Buffer(32, 1), "label", {as_bytes("ab"), as_bytes("c")}))};
  CHECK(all.size() == 6);
}

TEST_CASE("equal_constant_time: equal is equal, every flipped bit and every other size is not") {
  const Buffer one = counting(33);
  CHECK(equal_constant_time(one, Buffer(one)));
  CHECK(equal_constant_time({}, {}));
  CHECK_FALSE(equal_constant_time(one, Bytes(one).first(32)));
  for (size_t bit = 0; bit < one.size() * 8; ++bit) {
    Buffer other = one;
    other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
    CHECK_FALSE(equal_constant_time(one, other));
  }
}

TEST_CASE("secret: it moves, it is copied only on purpose, and random ones differ") {
  SecretBytes one = SecretBytes::copy_of(counting(32));
  const uint8_t* const place = one.bytes().data();
  SecretBytes two = std::move(one);
  CHECK(two.bytes().data() == place);
  CHECK(two.size() == 32);
  one = SecretBytes::random(32);
  CHECK_FALSE(equal_constant_time(one.bytes(), two.bytes()));
  CHECK(SecretBytes().empty());
  CHECK(equal_constant_time(SecretBytes(8).bytes(), Buffer(8)));
  Buffer ordinary = counting(9);
  wipe(ordinary);
  CHECK(ordinary == Buffer(9));
}

}  // namespace
}  // namespace khipu::crypto
