"""Read the graph of a SavedModel before it is loaded: it is a program, and may only compute.

It can read and write files, call Python and open connections, even while it is loaded. So every
operation in it must be listed here: what networks over sound need, nothing that reaches outside.
"""

from modeling.borrowed.weights import PretrainedError

COMPUTING = """
Abs Add AddN AddV2 All Any ArgMax Assert AvgPool BatchMatMulV2 BiasAdd BroadcastTo Cast Ceil
ClipByValue ComplexAbs ConcatV2 Const Conv2D Cos Cumsum DepthwiseConv2dNative Div DivNoNan
Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2
FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN If Less
LessEqual LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min
Minimum Mul Neg NoOp NotEqual OnesLike Pack Pad PadV2 PartitionedCall Placeholder
PlaceholderWithDefault Pow Prod RFFT Range Rank RealDiv Reciprocal Relu Relu6 Reshape ReverseV2
Round Rsqrt Select SelectV2 Shape ShapeN Sigmoid Sin Size Slice Softmax Split SplitV Sqrt Square
SquaredDifference Squeeze StatefulPartitionedCall StatelessIf StatelessWhile StopGradient
StridedSlice Sub Sum Tanh Tile Transpose Unpack Where While ZerosLike
AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp
VarHandleOp VarIsInitializedOp
"""
"""Operations that compute, call each other, or keep variables in memory."""

SAVING = "MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin"
"""What besides stands in the two functions by which TensorFlow itself would save and restore."""


def check_saved_model(folder):
    """Raise unless a SavedModel only computes. It is read, not loaded: nothing in it runs.

    Saving and restoring are allowed in the two functions that TensorFlow writes for it into every
    SavedModel, as long as nothing else can call these: TensorFlow 2 itself restores without them.

    Args:
        folder: That of a ``saved_model.pb``.

    Raises:
        PretrainedError: It holds an operation that is not listed here.
        OSError: There is no SavedModel, or it cannot be read.
    """
    import tensorflow as tf

    saved = tf.__internal__.saved_model.parse_saved_model(str(folder))
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise PretrainedError(f"{folder} holds no SavedModel of TensorFlow 2; it is not loaded.")
    graph = saved.meta_graphs[0]
    library = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    known = {graph.saver_def.save_tensor_name.split(":")[0], graph.saver_def.restore_op_name}
    savers, called = set(), set(graph.object_graph_def.concrete_functions)
    for where, nodes in {"": graph.graph_def.node, **library}.items():
        for node in nodes:  # its operation and the functions that it calls
            listed = [own for value in node.attr.values() for own in (value.func, *value.list.func)]
            names = {node.op} | {own.name for own in listed if own.name}
            (savers if not where and node.name in known else called).update(names)
    for where, nodes in {"": graph.graph_def.node, **library}.items():
        allowed = {*COMPUTING.split(), *(SAVING.split() if where in savers - called else ())}
        if strange := sorted({node.op for node in nodes} - allowed):
            raise PretrainedError(
                f"The SavedModel in {folder} holds the operation {strange[0]} "
                f"(in {where or 'its graph'}), which could touch files, the network or Python and "
                "which YAMNet has no need of. It is not loaded; fetch YAMNet anew."
            )
