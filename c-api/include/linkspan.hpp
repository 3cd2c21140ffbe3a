// Linkspan for C++17: the C interface as classes that release their resources, with exceptions.
//
// Link with liblinkspan; nothing else needs to be built. To use the JSON bridge, include nlohmann/json.hpp first.
#ifndef LINKSPAN_HPP
#define LINKSPAN_HPP

#include <linkspan/array.hpp>
#include <linkspan/channel.hpp>
#include <linkspan/codec.hpp>
#include <linkspan/controller.hpp>
#include <linkspan/error.hpp>
#include <linkspan/message.hpp>
#include <linkspan/options.hpp>
#include <linkspan/publish.hpp>
#include <linkspan/region.hpp>
#include <linkspan/service.hpp>
#include <linkspan/table.hpp>
#include <linkspan/wait.hpp>
#ifdef __cpp_impl_coroutine
#include <linkspan/async.hpp>
#endif

#endif
