//! Merging obeys its laws, whatever is merged: change sets, and the requests of the mesh.

mod change_set;
mod mesh;
