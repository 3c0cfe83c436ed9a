// SPDX-License-Identifier: Apache-2.0
/// A Profile as bytes and back: how the shipped profiles are compiled in (embed.cc writes, loader.cc reads), so that a
/// plugin parses no JSON. The bytes never leave the build that wrote them: no version, no byte order, no doubt.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "hw-profiles/describe.h"

namespace barewire::hw {

class PackWriter {
 public:
  template <typename... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  template <typename T>
  requires std::is_trivially_copyable_v<T> &&(std::is_arithmetic_v<T> || std::is_enum_v<T>)void put(const T& value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof value);
  }
  void put(const std::chrono::milliseconds& value) { put(static_cast<std::int64_t>(value.count())); }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    bytes_ += text;
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename A, typename B>
  void put(const std::pair<A, B>& value) {
    (*this)(value.first, value.second);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    put(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) put(value);
  }
  template <typename T, std::size_t N>
  void put(const std::array<T, N>& values) {
    for (const T& value : values) put(value);
  }
  template <typename T>
  requires std::is_class_v<T>
  void put(const T& value) { describe(*this, value); }

  std::string bytes_;
};

/// `bytes` must be a PackWriter's of the same build.
class PackReader {
 public:
  explicit PackReader(std::string_view bytes) : rest_(bytes) {}
  template <typename... T>
  void operator()(T&... values) {
    (get(values), ...);
  }

 private:
  template <typename T>
  requires std::is_trivially_copyable_v<T> &&(std::is_arithmetic_v<T> || std::is_enum_v<T>)void get(T& value) {
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
  }
  template <typename T>
  T take() {
    T value{};
    get(value);
    return value;
  }
  void get(std::chrono::milliseconds& value) { value = std::chrono::milliseconds(take<std::int64_t>()); }
  void get(std::string& text) {
    const auto size = take<std::uint32_t>();
    text = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }
  template <typename T>
  void get(std::optional<T>& value) {
    value.reset();
    if (take<bool>()) get(value.emplace());
  }
  template <typename A, typename B>
  void get(std::pair<A, B>& value) {
    (*this)(value.first, value.second);
  }
  template <typename T>
  void get(std::vector<T>& values) {
    values.resize(take<std::uint32_t>());
    for (T& value : values) get(value);
  }
  template <typename T, std::size_t N>
  void get(std::array<T, N>& values) {
    for (T& value : values) get(value);
  }
  template <typename T>
  requires std::is_class_v<T>
  void get(T& value) { describe(*this, value); }

  std::string_view rest_;
};

}  // namespace barewire::hw
