int main(int argc, char**) {
  volatile int* freed = new int(argc);
  delete freed;
  return *freed;
}
