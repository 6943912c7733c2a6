// RUN: not ropegrad-opt %s --ropegrad-emit-fourier=length=11 2>&1 | FileCheck %s --check-prefix=PRIME
// RUN: not ropegrad-opt %s --ropegrad-emit-fourier=length=0 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not ropegrad-opt %s --ropegrad-emit-fourier="filled=9 length=8" 2>&1 | FileCheck %s --check-prefix=FILLED
// RUN: not ropegrad-opt %s --ropegrad-emit-fourier="length=8 element-bits=16" 2>&1 | FileCheck %s --check-prefix=ELEMENT
// RUN: not ropegrad-opt %s --ropegrad-emit-fourier="length=8 vector-bits=64" 2>&1 | FileCheck %s --check-prefix=VECTOR
// PRIME: expected a length from 1 to 2^26 without prime factors above 7, but got 11
// NONE: expected a length from 1 to 2^26 without prime factors above 7, but got 0
// FILLED: expected filled from 1 to the length, but got 9
// ELEMENT: expected element-bits of 32 or 64, but got 16
// VECTOR: expected vector-bits of 128, 256 or 512, but got 64
module {}
