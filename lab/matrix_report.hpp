// A matrix of who connects how, written down: as a table for a terminal, as JSON, as a picture. Pure functions; the
// picture needs nothing but a browser and is made to be looked at on light and on dark pages.
#pragma once
#include <string>

#include "lab/matrix.hpp"

namespace ginnel::lab {

/// Two lines a row: the technique, and below it when the first byte came back and when the path was direct.
std::string matrix_table(const Matrix& matrix);
/// "64 pairs: 40 direct (38 udp-punch, 2 lan), 23 relayed, 1 not connected; 83 s."
std::string matrix_summary(const Matrix& matrix);
/// One object, with every cell.
std::string matrix_json(const Matrix& matrix);
std::string matrix_svg(const Matrix& matrix);

}  // namespace ginnel::lab
