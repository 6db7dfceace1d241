// Times C = A * B with Armadillo's sparse matrices.
// usage: program A.bin B.bin C.bin TIMES.txt BUDGET_S MIN_RUNS MAX_RUNS
//
// Files (little endian): rows, cols, nnz (int64); row pointers (int64); columns (int64); values (double): CSR.
// Armadillo keeps columns together, so the CSR of A is read as the transpose of A, and (A B)' = B' A' is what is
// computed: the same multiplications, and the result is the CSR of the product.
// TIMES.txt: Armadillo's version, then wall and process CPU seconds of each run, one run a line.
#include <armadillo>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <vector>

static arma::sp_mat read_transposed(const char *path) {
    std::ifstream file(path, std::ios::binary);
    std::int64_t head[3];
    file.read(reinterpret_cast<char *>(head), sizeof head);
    std::vector<std::int64_t> start(head[0] + 1), column(head[2]);
    arma::vec values(head[2]);
    file.read(reinterpret_cast<char *>(start.data()), start.size() * sizeof(std::int64_t));
    file.read(reinterpret_cast<char *>(column.data()), column.size() * sizeof(std::int64_t));
    file.read(reinterpret_cast<char *>(values.memptr()), values.n_elem * sizeof(double));
    if (!file) {
        std::fprintf(stderr, "cannot read %s\n", path);
        std::exit(3);
    }
    arma::uvec pointers(start.size()), rows(column.size());
    for (std::size_t i = 0; i < start.size(); ++i) pointers[i] = static_cast<arma::uword>(start[i]);
    for (std::size_t i = 0; i < column.size(); ++i) rows[i] = static_cast<arma::uword>(column[i]);
    return arma::sp_mat(rows, pointers, values, static_cast<arma::uword>(head[1]), static_cast<arma::uword>(head[0]));
}

static void write_transposed(const char *path, const arma::sp_mat &c) {
    c.sync();
    std::ofstream file(path, std::ios::binary);
    const std::int64_t head[3] = {static_cast<std::int64_t>(c.n_cols), static_cast<std::int64_t>(c.n_rows),
                                  static_cast<std::int64_t>(c.n_nonzero)};
    file.write(reinterpret_cast<const char *>(head), sizeof head);
    std::vector<std::int64_t> numbers(c.col_ptrs, c.col_ptrs + c.n_cols + 1);
    file.write(reinterpret_cast<const char *>(numbers.data()), numbers.size() * sizeof(std::int64_t));
    numbers.assign(c.row_indices, c.row_indices + c.n_nonzero);
    file.write(reinterpret_cast<const char *>(numbers.data()), numbers.size() * sizeof(std::int64_t));
    file.write(reinterpret_cast<const char *>(c.values), c.n_nonzero * sizeof(double));
    if (!file.flush()) {
        std::fprintf(stderr, "cannot write %s\n", path);
        std::exit(3);
    }
}

int main(int count, char **argument) {
    if (count != 8) {
        std::fprintf(stderr, "usage: %s A.bin B.bin C.bin TIMES.txt BUDGET_S MIN_RUNS MAX_RUNS\n", argument[0]);
        return 2;
    }
    const arma::sp_mat a = read_transposed(argument[1]), b = read_transposed(argument[2]);
    const double budget = std::atof(argument[5]);
    const int least = std::atoi(argument[6]), most = std::atoi(argument[7]);
    arma::sp_mat c = b * a;  // warm-up
    std::ofstream times(argument[4]);
    times.precision(9);
    times << arma::arma_version::major << '.' << arma::arma_version::minor << '.' << arma::arma_version::patch << '\n';
    double spent = 0;
    for (int run = 0; run < least || (run < most && spent < budget); ++run) {
        c.reset();
        const std::clock_t cpu = std::clock();
        const auto begin = std::chrono::steady_clock::now();
        c = b * a;
        c.sync();
        const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        times << wall << ' ' << static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC << '\n';
        spent += wall;
    }
    write_transposed(argument[3], c);
    return times.flush() ? 0 : 3;
}
