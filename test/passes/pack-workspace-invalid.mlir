// RUN: ropegrad-opt %s --ropegrad-pack-workspace -split-input-file -verify-diagnostics

func.func @dynamic(%n: index) {
  // expected-error @+1 {{expected a static allocation at the top level of a kernel}}
  %a = memref.alloc(%n) : memref<?xf32>
  return
}

// -----

func.func @nested(%n: index) {
  scf.for %i = %n to %n step %n {
    // expected-error @+1 {{expected a static allocation at the top level of a kernel}}
    %a = memref.alloc() : memref<8xf32>
  }
  return
}

// -----

func.func @index() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<8xindex>'}}
  %a = memref.alloc() : memref<8xindex>
  return
}

// -----

func.func @strided() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<8xf32, strided<[2]>>'}}
  %a = memref.alloc() : memref<8xf32, strided<[2]>>
  return
}

// -----

func.func @pointers() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<8xmemref<4xf32>>'}}
  %a = memref.alloc() : memref<8xmemref<4xf32>>
  return
}

// -----

func.func @bits() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<8xi1>'}}
  %a = memref.alloc() : memref<8xi1>
  return
}

// -----

func.func @space() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<8xf32, 3>'}}
  %a = memref.alloc() : memref<8xf32, 3>
  return
}

// -----

func.func @huge() {
  // expected-error @+1 {{expected a contiguous buffer of numbers below 2^48 bytes, but got 'memref<4611686018427387904x4xf32>'}}
  %a = memref.alloc() : memref<4611686018427387904x4xf32>
  return
}
