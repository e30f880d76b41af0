// Boost.JSON is compiled here, once, for whoever includes <boost/json.hpp>: Debian 12's package has no library of it.
#include <boost/json/src.hpp>
