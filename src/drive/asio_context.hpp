// For the few sources of this room that use Asio: the context behind a Loop. Nobody else includes this.
#pragma once
#include "drive/loop.hpp"

namespace boost::asio {
class io_context;
}

namespace ginnel {

/// Lives as long as the loop. What is started on it calls back from Loop::run().
boost::asio::io_context& asio_context(Loop& loop);

}  // namespace ginnel
