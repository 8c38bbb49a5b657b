"""Plots about a wish: to find, learn or make something, or to wait for it."""

from __future__ import annotations

from tinygpt.corpora.stories.plot import Plot
from tinygpt.corpora.stories.words import FOODS, TOYS

_WRONG_PLACES = (
    ("under the bed", "only dust and an old sock"),
    ("behind the door", "a broom and a sleepy spider"),
    ("in the big wooden chest", "a pile of blankets and nothing else"),
    ("under the table", "nothing but a few crumbs and a very busy ant"),
    ("in the tall grass", "a snail, two beetles and a feather"),
    ("behind the water barrel", "a fat toad that did not want to move"),
    ("under the stairs", "an empty jar and a ball of string"),
    ("in the woodpile", "a family of mice having their lunch"),
    ("beside the well", "a rusty bucket and some moss"),
    ("under the hedge", "a hedgehog's nest and many dry leaves"),
    ("behind the bench", "a lost button and a paper bag"),
    ("in the empty barrel", "a puddle and a leaf that floated like a boat"),
)

_FINDERS = (
    ("high in the pear tree", "the wind had carried it up there", "climbed up and brought it down"),
    ("in the nest of a magpie", "the magpie loved everything that was bright", "asked for it politely"),
    ("in the bed of a small puppy", "the puppy had wanted something to hold at night",
     "gave the puppy an old sock for it"),
    ("on the roof of the shed", "a gust of wind had thrown it there", "fetched it with a long stick"),
    ("at the bottom of the garden", "somebody had left it there after the last game",
     "picked it up and wiped it clean"),
    ("in the reeds by the water", "the rain had washed it away", "pulled it out with a branch"),
    ("inside a hollow stump", "a squirrel had hidden it there with the nuts", "traded it for three big acorns"),
    ("in the neighbour's cart", "it had fallen in there by accident", "reached in and took it out"),
    ("under a heap of leaves", "the leaves had covered it in the night", "dug it out"),
)  # fmt: skip

_SKILLS = (
    ("climb a rope", "climbed", "{he} slid straight down again", "right up to the top"),
    ("whistle", "whistled", "nothing came out but air", "a tune from beginning to end"),
    ("dance", "danced", "{he} stepped on {his} own feet", "a whole waltz without a stumble"),
    ("juggle", "juggled", "the balls fell on {his} head", "three red balls without dropping one"),
    ("row a boat", "rowed", "the boat only went around in circles", "straight across the lake"),
    ("play the flute", "played", "it squeaked like a rusty door", "a whole song without a mistake"),
    ("jump over the stream", "jumped", "{he} landed right in the middle", "over the stream with room to spare"),
    ("walk on stilts", "walked", "{he} fell into the bushes", "the whole length of the path"),
    ("read", "read", "the letters looked like little black ants", "a whole page out loud"),
    ("stand on {his} head", "stood", "{he} tipped over like a sack of flour", "on {his} head for a full minute"),
    ("tie a knot", "tied", "the string slipped through every time", "a knot that even a bear could not pull open"),
    ("ride a bicycle", "rode", "the bicycle went one way and {he} went the other",
     "to the gate and back without falling"),
)  # fmt: skip

_SEEDS = (
    ("pumpkin", "as big as a wheelbarrow", "Everybody had pumpkin soup for a week."),
    ("sunflower", "taller than the fence", "In the autumn the birds ate all the seeds."),
    ("melon", "round and heavy and sweet", "There was a slice for everybody."),
    ("bean", "higher than the roof", "They ate beans until nobody could eat another one."),
    ("rose", "red as the evening sky", "The whole path smelled of it."),
    ("strawberry", "red and sweet and shiny", "The two friends ate them one by one."),
    ("apple tree", "still small, but green and strong", "One day there would be apples on it."),
    ("tomato", "round and red like a little sun", "They tasted better than any others in the world."),
    ("carrot", "long and orange and crisp", "It took two to pull it out of the ground."),
    ("poppy", "bright red with a black eye", "The wind carried its seeds across the field."),
)

_PROJECTS = (
    ("a kite", "kite", "paper and two thin sticks", "It tore in the first gust of wind", "longer tail",
     "flew higher than the birds"),
    ("a raft", "raft", "six logs and some rope", "It sank as soon as somebody stood on it", "tighter knot",
     "floated like a swan"),
    ("a tree house", "tree house", "old boards and a bag of nails", "The floor fell down on the second day",
     "stronger beam", "stood as firm as the tree"),
    ("a cart", "cart", "a box and four wheels", "One wheel rolled away down the hill", "better axle",
     "ran so fast that everybody cheered"),
    ("a windmill", "windmill", "cardboard and a long pin", "It would not turn at all", "smoother pin",
     "turned all day long"),
    ("a bridge", "bridge", "stones and a flat plank", "It fell into the stream with a splash", "wider stone",
     "carried even the heaviest friend"),
    ("a drum", "drum", "a pot and a piece of cloth", "It only went flop", "tighter cloth",
     "could be heard on the other side of the hill"),
    ("a little boat", "boat", "bark and a big leaf", "It turned over in the first wave", "heavier keel",
     "sailed out of sight around the bend"),
    ("a birdhouse", "birdhouse", "an old box and some straw", "The rain came in through the roof", "wider roof",
     "had a family of birds in it by the end of the week"),
    ("a swing", "swing", "a board and a long rope", "The rope broke, and somebody landed in the mud", "thicker rope",
     "went up almost to the sky"),
    ("a scarecrow", "scarecrow", "straw and an old coat", "The crows sat down on its arms", "funnier hat",
     "scared even the one who had made it"),
)  # fmt: skip

_TREASURES = (
    ("shell", "the sound of the sea was in it"),
    ("stone", "it was warm, even at night"),
    ("feather", "it shone in seven colours"),
    ("coin", "there was a ship on one side of it"),
    ("key", "it was as small as a thumbnail"),
    ("bell", "it rang so softly that only friends could hear it"),
    ("ring", "it was made of grass and silver"),
    ("bottle", "there was a tiny letter inside"),
    ("lamp", "it gave a light like honey"),
    ("acorn", "it was the colour of gold"),
)

_FOOLISH_WISHES = (
    ("as tall as a tree", "could not get through the door"),
    ("as strong as a giant", "broke everything that {he} touched"),
    ("as fast as the wind", "could not stop at the gate and ran through the fence"),
    ("as loud as thunder", "said hello, and all the windows flew open"),
    ("as bright as the sun", "shone so much that everybody had to look away"),
    ("as light as a feather", "had to hold on to the roof so as not to fly away"),
)

_GIFTS = (
    ("a picture", "paper and seven colours", "a picture of the two of them under a tree"),
    ("a necklace", "red berries and a long thread", "a necklace of berries"),
    ("a song", "nothing but a good ear and a free afternoon", "a song with three verses"),
    ("a cushion", "soft moss and a piece of cloth", "a cushion that smelled of the forest"),
    ("a candlestick", "clay and a lot of water", "a candlestick in the shape of a bird"),
    ("a crown", "daisies, and a good deal of patience", "a crown of daisies"),
    ("a book", "paper, string and glue", "a book with a story on every page"),
    ("a tea cosy", "wool from the goat", "a tea cosy with blue and white stripes"),
    ("a box", "wood and a bit of paint", "a box for small treasures"),
    ("a walking stick", "a straight branch of hazel", "a walking stick with a carved bird on top"),
)

WISHES = (
    Plot(
        name="something loved is lost and found",
        title="[{hero} and the lost {noun}|the lost {noun}|where is the {toy}?|{hero}'s {toy}]",
        slots={"toy noun": TOYS, "wrong wrong_there, wrong_b wrong_b_there": _WRONG_PLACES, "found why how": _FINDERS},
        text="""
            <opening> But the thing that {he} loved best in the whole world was a@ {toy}. [{Hero} took it everywhere.|It
            had been a present from {helper}.|{He} even slept beside it at night.|Nobody else was allowed to touch it.]

            {Day}, the {toy} was gone. [{Hero} looked {wrong}.|First {hero} looked {wrong}.] There was {wrong_there}.
            [Then {he} looked {wrong_b}|Next {he} searched {wrong_b}]. There was {wrong_b_there}. But there was no
            {noun}. <sad>

            <meet> <ask_why> ["I have lost my {toy},"|"My {toy} is gone,"] said {hero}. "[I have looked everywhere|I
            cannot find it anywhere]." ["Then we will look together,"|"Four eyes see more than two,"|"Do not cry. I will
            help you,"] said {friend}.

            They [walked|ran] to {place} and back again. <sky> <on_the_way> They asked {helper}. "[Think hard|Think
            back], {hero}," said {helper}. "Where did you have it last?" {Hero} [thought and thought|closed {his} eyes
            and thought]. "I remember now!" {he} [cried|said]. "Come with me, {friend}!"

            And there was the {toy}, {found}! [You see, {why}.|It was easy to understand: {why}.] {Hero} {how}. [It was
            a little [dirty|wet|scratched], but {he} did not mind.|It was as good as new.] <glad>

            <thanks> ["That is what friends are for,"|"I was happy to help,"|"Next time, take better care of it,"] said
            {friend} [with a smile|and laughed]. [From then on, {hero} always put the {noun} back in its place.|That
            evening {hero} let {friend} play with the {noun} too.] <close>
        """,
    ),
    Plot(
        name="practice",
        title="[{hero} learns to {skill}|how {hero} learned to {skill}|one more try]",
        slots={"skill skilled fail success": _SKILLS},
        seasons=("spring", "summer"),
        text="""
            <opening> [There was only one thing that {he} could not do|But one thing made {him} sad]: {he} could not
            {skill}. [All the others could.|{Friend}, {a_friend}, could do it very well.|It looked so easy when somebody
            else did it.]

            {Day}, {hero} [decided to learn it|made up {his} mind]. "[Today I will learn to {skill}|I want to {skill}]!"
            {he} said. {He} tried, but {fail}. {He} tried again, and {fail} once more. [Somebody laughed.|A crow laughed
            at {him} from a tree.|{His} face turned red.] <sad>

            ["I will never learn it,"|"I am no good at this,"|"It is too hard for me,"] said {hero} to {helper}.
            {Helper} [sat down beside {him}|smiled|shook {hhis} head]. ["Nobody can do it on the first day,"|"I tried a
            hundred times before I could do it,"|"Do a little every day,"] said {helper}. "[Try again tomorrow|Go
            slowly, and do not give up|Every try makes you a little better]."

            So {hero} practised. {He} practised on Monday, and {fail}. {He} practised on [Tuesday|Wednesday], and it
            went a little better. {Friend} came to watch [and cheered|and gave {him} some good advice|and kept {him}
            company]. <sky>

            [On Sunday|One day|A week later|At last], something wonderful happened. {Hero} took a deep breath and tried
            once more, and {he} {skilled} {success}! ["I can do it!"|"Look at me!"|"Did you see that?"] {he}
            [cried|shouted]. <glad>

            ["I knew that you could,"|"You see?"|"Well done!"] said {helper}. [{Hero} was proud.|{Hero} showed it to
            everybody.] The next week a smaller {kind_noun} came and asked, "Is it hard to learn?" ["At first it is,"|"A
            little,"] said {hero}. "But I will help you." <close>
        """,
    ),
    Plot(
        name="a seed needs time",
        title="[{hero}'s {plant}|the slow {plant}|{hero} plants a seed|the {plant} that took its time]",
        slots={"plant grown after": _SEEDS},
        seasons=("spring",),
        text="""
            <opening>

            {Day}, {helper} gave {hero} a very small seed. ["What is it?" asked {hero}.|"It is so tiny!" said {hero}.]
            "[It will be a@ {plant} one day|There is a@ {plant} sleeping in it]," said {helper}. "Give it earth and
            water, and then [wait|be patient]." {Hero} made a hole [behind|beside|in front of] the {house}, put the seed
            in, and covered it with soft earth. <sky>

            The next morning {he} ran out to look. There was nothing. {He} [gave it some water and|sat down beside it
            and] waited. Nothing happened on the second day, and nothing happened on the third. ["Grow!" said {hero} to
            the seed.|{Hero} sang to it, but it did not help.|{Hero} wanted to dig it up and see if it was still there.]

            <meet> ["It is broken,"|"My seed does not want to grow,"] {hero} said. {Friend} [looked at the ground|put
            one ear to the ground|laughed]. ["It is only working where we cannot see it,"|"Seeds are slow. They do not
            know that you are waiting,"] said {friend}. "[Let us play until it is ready|Come, I will wait with you]."

            So they [played|told each other stories|played ball] every day, and every day {hero} gave the seed some
            water. It rained, and then the sun shone again. And one morning there was something green! <glad> "It is as
            small as my [toe|ear]," {he} said, "but it is here!"

            The {plant} grew and grew. By the end of the summer it was {grown}. {After} ["Was it worth waiting for?"
            asked {helper}.|"You waited well," said {helper}.] ["Yes,"|"Oh yes,"] said {hero}, "[and waiting is easier
            with a friend|next year I will plant two]." <close>
        """,
    ),
    Plot(
        name="building something",
        title="[{hero} builds {project}|the {project_noun}|{hero} and the {project_noun}|the best {project_noun}]",
        slots={"project project_noun stuff fail better success": _PROJECTS},
        text="""
            <opening> {He} was always making something.

            {Day}, {hero} had an idea. "I will build {project}," {he} said, "[the best {project_noun} in the world|and I
            will do it all by myself]." {He} found {stuff}, and {he} carried everything to {place}. <sky> {He} worked
            [until noon|the whole morning|for three hours] without a rest.

            Then {friend} came by. {Friend} was {a_friend}. ["May I help you?" asked {friend}.|"What are you making? Can
            I help?" asked {friend}.] ["No, thank you,"|"No, I can do it alone,"] said {hero}. {Friend} [was a little
            hurt|said nothing] and sat down to watch.

            At last the {project_noun} was ready. "Look!" [cried|said] {hero}. But oh dear! {Fail}. {Hero} tried to mend
            it, but it only got worse. <sad>

            {Friend} did not laugh. ["I think that it needs a@ {better},"|"What about a@ {better}?"] said {friend}.
            {Hero} looked at the {project_noun}, and then at {friend}. ["You are right,"|"Why did I not think of
            that?"|"That is a very good idea,"] {he} said. "[I am sorry that I sent you away|I should have asked you
            before]. Will you help me now?" "[Of course|Gladly|I thought you would never ask]!" said {friend}.

            They worked side by side. {Friend} [held everything straight|did the measuring|found a@ {better}], and
            {hero} [tied the knots|did the hammering|put the pieces together]. [In the evening|Before the sun went
            down|By supper time] the new {project_noun} was ready, and it {success}. <glad> ["We did it!" said {hero}.
            "And we did it together."|"This is the best {project_noun} in the world," said {hero}, "because two of us
            made it."] <close>
        """,
    ),
    Plot(
        name="a small wish",
        title="[the magic {treasure}|{hero} and the {treasure}|three wishes|{hero}'s third wish]",
        slots={"treasure wonder": _TREASURES, "food": FOODS, "foolish trouble": _FOOLISH_WISHES},
        text="""
            <opening>

            {Day}, {hero} was walking near {place} when {he} saw something shine [in the grass|between two stones|under
            a leaf]. It was a@ <colour> {treasure}, and {wonder}. {He} picked it up. "[Good morning|Hello]," said the
            {treasure}. "You have found me, so you may have three wishes. But [be careful with them|think before you
            speak]."

            {Hero} was so surprised that {he} nearly dropped it. "I wish for {food}!" {he} said at once, for {he} was
            hungry. And there it was, [on a blue plate|warm and sweet-smelling|right in front of {him}]. It tasted
            [wonderful|better than anything]. "Now I wish to be {foolish}!" {he} said. And so {he} was.

            At first it was [fun|a great joy]. But when {he} came home, {he} {trouble}. <meet> {Friend} [did not know
            {him}|was afraid of {him}] and [ran away|hid behind a bush]. {Hero} called after {fhim}, but {friend} did
            not come back. <sad>

            "[Dear {treasure}|Please], I have one wish left," said {hero}. ["I could wish for gold,"|"I could wish for a
            castle,"|"I could wish for a hundred cakes,"] {he} thought. But {he} looked at the place where {friend} had
            been. "I wish to be just {hero} again," {he} said.

            In a moment {he} was {his} old self. {Friend} looked out [carefully|from behind the bush]. "Is it really
            you?" {fhe} asked. "[It is really me|Yes, only me]," said {hero}, and {he} told {fhim} everything. They
            [took the {treasure} back to the place where {he} had found it|put the {treasure} back for somebody else to
            find]. Then they shared the rest of the {food}. [It was enough for two.|It was the best wish of the three.]
            <close>
        """,
    ),
    Plot(
        name="a present without money",
        title="[a present for {helper}|{hero} makes a present|the best present]",
        slots={"gift stuff made": _GIFTS, "shop_thing noun": TOYS, "food": FOODS},
        text="""
            <opening> The next day was {helper}'s birthday, and {hero} had no present.

            {Day}, {he} went to [the shop|the market] with {friend}, {a_friend}. There was a@ {shop_thing} in the
            window. "[That is the right present|{Helper_call} would love that {noun}]," said {hero}. But the {noun} cost
            [ten coins|seven coins|a lot of money], and {hero} had [only one coin|only two small coins|no money at all].
            <sad>

            <sky> The two friends walked home slowly. <on_the_way> ["Must a present come from a shop?" asked
            {friend}.|"You could make something," said {friend}.] "What can I make?" said {hero}. {He} thought about it
            [all the way home|for a long time]. "I know!" {he} [cried|said] at last. "I will make {gift}."

            {He} needed {stuff}. {Friend} helped {him} look for what was missing. {Hero} worked [until the lamp was
            lit|all afternoon|until supper], and [twice {he} had to begin again|once everything went wrong, and {he}
            began again]. But in the evening it was done: {made}. {Friend} said that it was [beautiful|perfect|just
            right].

            In the morning {hero} went to {helper}. "Happy birthday!" {he} said. "It is not from a shop. I made it."
            {Helper} [looked at it for a long time|did not say anything at first]. Then {hhe} [smiled|wiped {hhis}
            eyes|put {hhis} arms around {hero}]. "[Nobody else in the world has one like it|This is the best present of
            all|I will keep it for ever]," {hhe} said. <glad>

            [There was {food} for everybody|After that they all ate {food}], and {friend} got the biggest piece. <close>
        """,
    ),
)
